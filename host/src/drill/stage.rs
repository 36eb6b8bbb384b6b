//! What is the same for all runs of a drill: who asks for what, what goes wrong, and where providers are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow, ensure};

use super::choice::Choice;
use super::play::{self, Line, Played};
use super::scene::{Place, Scene};
use super::traffic::REQUESTS_MAX;
use super::{Drill, Progress};
use crate::config::Config;
use crate::plugin::{About, Compiler, engine};

/// See the module.
pub struct Stage {
    pub scene: Arc<Scene>,
    compiler: Compiler,
    /// Without secrets.
    config: Config,
    places: Vec<Place>,
    line: Line,
}

impl Stage {
    /// # Errors
    /// See [`super::run`].
    pub fn set(drill: &Drill) -> anyhow::Result<Stage> {
        engine::count_fuel()?;
        let Drill { compiler, config, incident, traffic, choices: _, seed, line, explain } = drill;
        let arrivals = traffic.arrivals(incident.lasts, *seed);
        ensure!(!arrivals.is_empty(), "so few requests a minute that none comes in this time");
        ensure!(arrivals.len() <= REQUESTS_MAX, "more than {REQUESTS_MAX} requests are too many: lower the rate");
        let is_open = *line == Line::Simulated || config.server.callers.is_empty();
        ensure!(is_open, "over real sockets a drill knows no caller's key: play a configuration without callers");
        let scene = Arc::new(Scene::new(incident.clone(), arrivals, traffic, *seed, explain.clone())?);
        // On a thread of its own, because the caller's may have a runtime already.
        let prepared = std::thread::scope(|scope| scope.spawn(|| play::prepare(&scene, compiler, config)).join());
        let (config, places) = prepared.map_err(|_| anyhow!("preparing the simulation broke down"))??;
        Ok(Stage { scene, compiler: compiler.clone(), config, places, line: *line })
    }

    /// What these policies do. A run is one thread, because only so does the same seed give the same run.
    pub fn play(&self, choices: &[Choice], progress: &Progress<'_>) -> Vec<anyhow::Result<Played>> {
        let done: Vec<AtomicU64> = choices.iter().map(|_| AtomicU64::new(0)).collect();
        let tell = |run: usize, part: f64| {
            done[run].store((part * 1e6) as u64, Ordering::Relaxed);
            let all: u64 = done.iter().map(|done| done.load(Ordering::Relaxed)).sum();
            progress(all as f64 / 1e6 / done.len() as f64);
        };
        let tell = &tell;
        std::thread::scope(|scope| {
            let runs = choices.iter().enumerate().map(|(number, choice)| {
                scope.spawn(move || {
                    let config = choice.apply(&self.config);
                    let tell = |part| tell(number, part);
                    let played = play::play(self.line, &self.scene, &self.compiler, config, &self.places, &tell);
                    played.with_context(|| choice.label.clone())
                })
            });
            let runs: Vec<_> = runs.collect();
            runs.into_iter().map(|run| run.join().map_err(|_| anyhow!("the simulation broke down"))?).collect()
        })
    }

    /// What this choice's policy says of itself, and the settings that it is opened with.
    ///
    /// # Errors
    /// When it says nothing, or when routes have several.
    pub fn policy(&self, choice: &Choice) -> anyhow::Result<(String, About, String)> {
        let config = choice.apply(&self.config);
        let mut routes = config.models.iter().map(|model| (model.policy.clone(), model.settings.clone()));
        let (name, settings) = routes.next().context("the configuration has no models")?;
        ensure!(
            routes.all(|route| route == (name.clone(), settings.clone())),
            "the routes do not have the same policy and settings: say which, with --policy 'NAME {{…}}'"
        );
        let about = std::thread::scope(|scope| scope.spawn(|| play::about(&self.scene, &self.compiler, config)).join());
        let about = about.map_err(|_| anyhow!("asking the policy broke down"))??;
        let about = about.with_context(|| {
            format!("`{name}` does not say what its settings are, so nothing can be varied: see wit/about.wit")
        })?;
        Ok((name, about, settings))
    }
}
