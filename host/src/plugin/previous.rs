//! The previous version of the contract, still served. Nearly all of its shapes are the current ones, which `previous.wit`
//! says to the generator: a codec's calls go through as they are, and of what a policy sees three records lose a field.
//! The rest of the host knows only the current version, and calls what stands here through `either!`.

use wasmtime::component::{Instance, InstancePre};

use super::bindings::{client_protocol, policy, previous, provider};
use super::contract::Contract;
use super::engine::Guest;

/// Of one exported interface: what a component has of it, by the version that it was built against.
pub enum Export<C, P> {
    Current(C),
    Previous(P),
}

/// The same call in both versions.
macro_rules! either {
    ($export:expr, $guest:ident => $call:expr) => {
        match $export {
            $crate::plugin::previous::Export::Current($guest) => $call,
            $crate::plugin::previous::Export::Previous($guest) => $call,
        }
    };
}
pub(super) use either;

/// Where a component has its functions, and the functions of an instance, for one interface.
macro_rules! export {
    ($indices:ident, $guest:ident, $interface:ident) => {
        pub type $indices = Export<$interface::GuestIndices, previous::$interface::GuestIndices>;
        pub type $guest = Export<$interface::Guest, previous::$interface::Guest>;

        impl $indices {
            pub fn find(contract: Contract, pre: &InstancePre<Guest>) -> wasmtime::Result<Self> {
                Ok(match contract {
                    Contract::Current => Export::Current($interface::GuestIndices::new(pre)?),
                    Contract::Previous => Export::Previous(previous::$interface::GuestIndices::new(pre)?),
                })
            }

            pub fn load(&self, store: &mut wasmtime::Store<Guest>, instance: &Instance) -> wasmtime::Result<$guest> {
                Ok(match self {
                    Export::Current(indices) => Export::Current(indices.load(store, instance)?),
                    Export::Previous(indices) => Export::Previous(indices.load(store, instance)?),
                })
            }
        }
    };
}
export!(PolicyIndices, PolicyGuest, policy);
export!(ProviderIndices, ProviderGuest, provider);
export!(ClientIndices, ClientGuest, client_protocol);

/// What a policy of the previous version sees of a situation.
pub fn situation(now: &policy::Situation) -> previous::policy::Situation {
    previous::policy::Situation {
        request: now.request.clone(),
        targets: now.targets.iter().map(target_state).collect(),
        history: now.history.iter().map(attempt_report).collect(),
        running: now.running.clone(),
        elapsed_ms: now.elapsed_ms,
        remaining_ms: now.remaining_ms,
        attempts_left: now.attempts_left,
        now_unix_ms: now.now_unix_ms,
        random: now.random,
        sequence: now.sequence,
    }
}

fn target_state(state: &policy::TargetState) -> previous::policy::TargetState {
    previous::policy::TargetState {
        able: state.able,
        circuit: state.circuit,
        ready_in_ms: state.ready_in_ms,
        retry_after_ms: state.retry_after_ms,
        samples: state.samples,
        success_rate: state.success_rate,
        first_token_ms: state.first_token_ms,
        in_flight: state.in_flight,
        room: state.room,
        headroom: state.headroom,
        price: state.price,
        warm_ms: state.warm_ms,
    }
}

fn attempt_report(report: &policy::AttemptReport) -> previous::policy::AttemptReport {
    previous::policy::AttemptReport {
        target: report.target,
        started_at_ms: report.started_at_ms,
        elapsed_ms: report.elapsed_ms,
        fault: report.fault,
        status: report.status,
        retry_after_ms: report.retry_after_ms,
    }
}
