use super::*;

const BEGINNING: &str = "name = \"n\"\nabout = \"a\"\nlasts = \"1h\"\n[[phase]]\nname = \"p\"\n";

fn parsed(phase: &str) -> Result<Incident, String> {
    Incident::parse(&format!("{BEGINNING}{phase}"), Path::new("incident.toml")).map_err(|error| error.to_string())
}

#[test]
fn errors_point_at_their_line() {
    for (phase, line, text) in [
        ("eror_after = \"1s\"", 6, "unknown field `eror_after`"),
        ("errors = [{ kind = \"overloded\" }]", 6, "`overloded` is not a kind of error"),
        ("errors = [{ kind = \"500\", rate = 1.5 }]", 6, "a rate is a number from 0 to 1"),
        ("from = \"30m\"\nto = \"20m\"\nspeed = 0.5", 7, "no place in the incident"),
        ("to = \"61m\"\nspeed = 0.5", 6, "no place in the incident"),
        ("to = \"20\"", 6, "a length of time"),
        ("", 5, "nothing goes wrong"),
        ("protocol = \"claude\"\nspeed = 0.5", 6, "`claude` is not a protocol"),
        ("capacity = {}", 5, "does not say how much"),
        ("capacity = { per_minute = 1, of_traffic = 1 }", 6, "exclude each other"),
        ("key = 0\nspeed = 0.5", 6, "counted from 1"),
        ("flapping = { down = \"1s\" }", 6, "missing field `up`"),
    ] {
        let error = parsed(phase).expect_err(phase);
        assert!(error.starts_with(&format!("incident.toml:{line}:")) && error.contains(text), "{phase}: {error}");
    }
}

#[test]
fn troubles_come_and_go_by_their_ramps_and_flap() {
    let text = "from = \"10m\"\nto = \"50m\"\nramp_in = \"10m\"\nramp_out = \"20m\"\nspeed = 0.5";
    let incident = parsed(text).expect("an incident");
    let intensity = |incident: &Incident, minutes: u64| incident.phases[0].intensity(Duration::from_secs(minutes * 60));
    for (minutes, expected) in [(9, 0.0), (10, 0.0), (15, 0.5), (20, 1.0), (29, 1.0), (40, 0.5), (50, 0.0)] {
        assert_eq!(intensity(&incident, minutes), expected, "{minutes}");
    }
    let fast = incident.lasting(Duration::from_secs(360));
    assert_eq!(fast.phases[0].intensity(Duration::from_secs(90)), 0.5);
    let flapping = parsed("flapping = { down = \"2m\", up = \"3m\" }\nspeed = 0.5").expect("an incident");
    assert_eq!([0, 1, 2, 4, 5, 7].map(|minutes| intensity(&flapping, minutes)), [1.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn the_built_in_ones_are_well() {
    for (name, text) in BUILT_IN {
        let incident = Incident::parse(text, Path::new(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(incident.name, *name);
        assert!(!incident.about.is_empty() && !incident.phases.is_empty());
    }
    assert!(Incident::find("no-such").is_err_and(|error| format!("{error:#}").contains("there are 2026-06-02-claude")));
}
