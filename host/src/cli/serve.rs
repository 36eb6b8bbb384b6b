//! `pointsman serve`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::compiler;
use crate::clock::Clock;
use crate::config::{self, Secret, Source};
use crate::gateway::{self, Gateway};
use crate::net::Network;
use crate::server::{self, Port, TOKEN_HELP};
use crate::store::Store;
use crate::watch as files;

/// How long a background task that broke down rests.
const BROKEN_REST: Duration = Duration::from_secs(1);

/// A dump of the memory would hold keys and prompts. Who wants one raises the limit of the running process (`prlimit`).
fn no_core_dumps() {
    let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    if let Err(error) = setrlimit(Resource::Core, limit) {
        tracing::warn!("a crash may leave the memory in a file: the limit of core dumps cannot be set: {error}");
    }
}

/// What serves, as soon as it begins to.
struct Started {
    gateway: Arc<Gateway>,
    server: config::Server,
    data: Port,
    admin: Option<(Port, Secret)>,
}

async fn start(source: &Source) -> anyhow::Result<Started> {
    let from = source.clone();
    // A file may hang, as a named pipe does that nobody writes.
    let load = move || from.load(&config::process_environment);
    let config = tokio::task::spawn_blocking(load).await.context("reading the configuration was cut short")??;
    let server = config.server.clone();
    crate::log::set_format(server.log);
    // Taken ports are found before seconds go into compiling.
    let data = Port::bind(server.listen, server.tls.as_ref()).await?.limited_to(connections_that_fit(&server));
    let admin = match &server.admin_token {
        Some(token) => Some((Port::bind(server.admin, None).await?, token.clone())),
        None => None,
    };
    let store = match &server.state {
        Some(folder) => Store::open(folder).await?,
        None => Store::default(),
    };
    let compiler = compiler(config.gate.compile, server.state.as_deref());
    let gateway = Gateway::begin(compiler, &Network::System, config, Clock::system(), store).await?;
    Ok(Started { gateway, server, data, admin })
}

pub async fn run(asked: Option<&Path>) -> anyhow::Result<ExitCode> {
    no_core_dumps();
    let mut signals = Signals::listen()?;
    let source = Source::find(asked);
    let Started { gateway, server, data, admin } = tokio::select! {
        started = start(&source) => started?,
        // As process 1 of a container nobody else would end it.
        _ = signals.next() => {
            tracing::info!("stopped before it served");
            return Ok(ExitCode::SUCCESS);
        }
    };
    announce(&source, &gateway, &data, admin.as_ref().map(|(port, _)| port))?;
    let (stop, stopped) = watch::channel(false);
    let again = signals.reload.clone();
    let shared = Arc::clone(&gateway);
    let mut kept = JoinSet::new();
    let broken = |task: &'static str| {
        let gateway = Arc::clone(&gateway);
        move || gateway.readiness().note_restart(task)
    };
    kept.spawn(keep("configuration", broken("configuration"), move || {
        files::watch(shared.clone(), source.clone(), again.clone())
    }));
    let shared = Arc::clone(&gateway);
    kept.spawn(keep("probes", broken("probes"), move || gateway::probe(shared.clone())));
    let shared = Arc::clone(&gateway);
    kept.spawn(keep("rollouts", broken("rollouts"), move || gateway::look_after(shared.clone())));
    let admin =
        admin.map(|(port, token)| tokio::spawn(port.serve_admin(gateway.clone(), token, told(stopped.clone()))));
    let data = tokio::spawn(data.serve(gateway.clone(), told(stopped), server.drain));
    let lead = match signals.next().await {
        Stop::Now => Duration::ZERO,
        Stop::AfterLead => server.drain_lead,
    };
    // Balancers look at `/readyz` every few seconds, and send new requests until they have.
    gateway.readiness().drain();
    if !lead.is_zero() {
        tracing::info!(
            lead_s = lead.as_secs(),
            "stopping: `/readyz` says so, and requests are still taken for a while"
        );
        if timeout(lead, signals.next()).await.is_ok() {
            return Ok(ExitCode::from(1));
        }
    }
    tracing::info!(
        drain_s = server.drain.as_secs(),
        "stopping: no new requests; running replies are finished. A second signal ends at once"
    );
    stop.send_replace(true);
    tokio::select! {
        _ = data => {}
        _ = signals.next() => return Ok(ExitCode::from(1)),
    }
    if let Some(admin) = admin {
        admin.abort();
    }
    gateway.flush().await;
    Ok(ExitCode::SUCCESS)
}

/// The connections of callers that the limit of open files allows.
fn connections_that_fit(server: &config::Server) -> usize {
    let files = server::raise_open_files();
    let fit = server::connections_that_fit(files);
    if fit < server.edge.connections {
        tracing::warn!(
            max_connections = server.edge.connections,
            fit,
            open_files = files,
            "fewer connections of callers are taken than `max_connections` says, so that requests can be sent: raise the limit of open \
             files (`ulimit -Hn`, `LimitNOFILE=`, `--ulimit nofile=`)"
        );
    }
    fit
}

fn announce(source: &Source, gateway: &Gateway, data: &Port, admin: Option<&Port>) -> anyhow::Result<()> {
    let table = gateway.table();
    let scheme = if table.config.server.tls.is_some() { "https" } else { "http" };
    match source {
        Source::File(path) => tracing::info!(file = %path.display(), "configuration"),
        Source::Automatic => tracing::info!("no configuration file: using the keys in the environment"),
    }
    for route in &table.routes {
        let targets: Vec<String> = route.targets.iter().map(super::check::target).collect();
        tracing::info!(model = %route.pattern, policy = ?route.policy.plugin, targets = %targets.join(" > "), "route");
    }
    match gateway.store().folder() {
        Some(folder) => tracing::info!("what operators change is kept in {}", folder.display()),
        None if admin.is_some() && gateway.store().trouble().is_none() => tracing::info!(
            "what operators change is forgotten when this process ends: [server] state = \"DIR\", or POINTSMAN_STATE, keeps it"
        ),
        None => {}
    }
    tracing::info!("callers: {scheme}://{}", data.address()?);
    match admin {
        Some(port) => {
            let address = port.address()?;
            if !address.ip().is_loopback() {
                tracing::warn!(
                    "operators show their token without TLS to {address} (`admin_without_tls = true`): nobody but this machine should \
                     reach it"
                );
            }
            tracing::info!("operators: http://{address}");
        }
        None => tracing::info!("operators: off, because there is no admin token ({TOKEN_HELP})"),
    }
    Ok(())
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a reason to stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// SIGINT, SIGTERM and SIGHUP, from the beginning on: until somebody listens, each of them ends the process at once, and process 1 of
/// a container ignores the second.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Somebody asked to read the configuration again.
    reload: Arc<Notify>,
}

/// How to stop.
enum Stop {
    /// A person at a terminal asks.
    Now,
    /// A supervisor asks, and whoever sends requests here has to notice first.
    AfterLead,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        let (mut hangup, reload) = (signal(SignalKind::hangup())?, Arc::new(Notify::new()));
        let notified = Arc::clone(&reload);
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                notified.notify_one();
            }
        });
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, reload })
    }

    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Now,
            _ = self.terminate.recv() => Stop::AfterLead,
        }
    }
}

/// A task that runs as long as the process. One that breaks down begins again; `broken` counts it.
async fn keep<F>(name: &'static str, broken: impl Fn(), task: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut running = JoinSet::new();
        running.spawn(task());
        match running.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                broken();
                tracing::error!(task = name, again_in_s = BROKEN_REST.as_secs(), "a background task broke down");
                sleep(BROKEN_REST).await;
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::gateway::Readiness;

    /// Faults: F190
    #[tokio::test(start_paused = true)]
    async fn a_task_that_breaks_down_begins_again() {
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        let task = move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            async move { assert!(number == 2, "this test makes it panic") }
        };
        let readiness = Readiness::default();
        keep("test", || readiness.note_restart("test"), task).await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
        assert_eq!(readiness.restarts(), [("test", 2)].into());
    }
}
