//! `pointsman serve`

use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::compiler;
use crate::clock::Clock;
use crate::config::{self, Source};
use crate::gateway::{self, Gateway};
use crate::net::Network;
use crate::server::{Port, TOKEN_HELP};
use crate::store::Store;
use crate::watch as files;

pub async fn run(asked: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let source = Source::find(asked);
    let config = source.load(&config::process_environment)?;
    let server = config.server.clone();
    crate::log::set_format(server.log);
    // Taken ports are found before seconds go into compiling.
    let data = Port::bind(server.listen, server.tls.as_ref()).await?;
    let admin = match &server.admin_token {
        Some(token) => Some((Port::bind(server.admin, None).await?, token.clone())),
        None => None,
    };
    let store = match &server.state {
        Some(folder) => Store::open(folder).await?,
        None => Store::default(),
    };
    let compiler = compiler(config.gate.compile, server.state.as_deref());
    let gateway = tokio::select! {
        gateway = Gateway::begin(compiler, &Network::System, config, Clock::system(), store) => gateway?,
        () = signals.next() => return Ok(ExitCode::from(1)),
    };
    announce(&source, &gateway, &data, admin.as_ref().map(|(port, _)| port))?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(files::watch(gateway.clone(), source));
    tokio::spawn(gateway::probe(gateway.clone()));
    tokio::spawn(gateway::look_after(gateway.clone()));
    let admin =
        admin.map(|(port, token)| tokio::spawn(port.serve_admin(gateway.clone(), token, told(stopped.clone()))));
    let data = tokio::spawn(data.serve(gateway.clone(), told(stopped), server.drain));
    signals.next().await;
    tracing::info!(
        drain_s = server.drain.as_secs(),
        "stopping: no new requests; running replies are finished. A second signal ends at once"
    );
    stop.send_replace(true);
    tokio::select! {
        _ = data => {}
        () = signals.next() => return Ok(ExitCode::from(1)),
    }
    if let Some(admin) = admin {
        admin.abort();
    }
    gateway.flush().await;
    Ok(ExitCode::SUCCESS)
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
        Some(port) => tracing::info!("operators: http://{}", port.address()?),
        None => tracing::info!("operators: off, because there is no admin token ({TOKEN_HELP})"),
    }
    Ok(())
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a reason to stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// SIGINT and SIGTERM, from the beginning on: until somebody listens, the first ends the process at once, and process 1 of a container
/// ignores the second.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
