use pointsman_fuzz::*;
use pointsman_sdk::codec::provider::Frame;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[test]
fn explore() {
    let n: u64 = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    let last = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let l2 = last.clone();
    std::panic::set_hook(Box::new(move |i| *l2.lock().unwrap() = i.to_string()));
    let mut found: BTreeMap<String, (u32, String, String)> = BTreeMap::new();
    for s in subjects() {
        let streams: Vec<_> = fixtures::streams(s.name).iter().map(|(_, f)| fixtures::as_lines(f)).collect();
        let wholes: Vec<_> = fixtures::whole_replies(s.name).into_iter().map(|f| f.bytes).collect();
        let errors: Vec<_> = fixtures::errors(s.name).into_iter().map(|f| f.1).collect();
        let reqs: Vec<_> =
            if s.client.is_some() { fixtures::requests(s.name).into_iter().map(|f| f.bytes).collect() } else { vec![] };
        let frm: Vec<_> = fixtures::streams(s.name).iter().map(|(f, _)| f.wire_bytes()).collect();
        for (kind, corpus) in
            [("stream", &streams), ("whole", &wholes), ("error", &errors), ("req", &reqs), ("framing", &frm)]
        {
            for i in 0..n {
                if corpus.is_empty() {
                    continue;
                }
                let mut b = corpus[i as usize % corpus.len()].clone();
                let k = 1 + (i / 7) % 6;
                for j in 0..k {
                    change(&mut b, i.wrapping_mul(1000003).wrapping_add(j * 7919 + n));
                }
                let r = catch_unwind(AssertUnwindSafe(|| match kind {
                    "stream" => drop(reply(&s, true, &frames(&b), 2 + i as usize % 5)),
                    "whole" => drop(reply(&s, false, &[Frame { event: None, data: b.clone() }], 1)),
                    "error" => drop(error(&s, 400 + (i % 200) as u16, &b)),
                    "req" => drop(body(&s, &b)),
                    _ => framing(i as usize * 31, &b),
                }));
                if r.is_err() {
                    let m = last.lock().unwrap().clone();
                    let key: String =
                        m.split(": [").next().unwrap().chars().filter(|c| *c != char::from(10)).take(170).collect();
                    let e = found.entry(format!("{kind} {} {key}", s.name)).or_insert((0, m.clone(), String::new()));
                    e.0 += 1;
                    if e.2.is_empty() || b.len() < e.2.len() {
                        e.1 = m;
                        e.2 = String::from_utf8_lossy(&b).into_owned();
                    }
                }
            }
        }
    }
    for (k, (c, m, b)) in found {
        println!(
            "=== {c} x {k}\n--- {}\n--- {}\n",
            m.chars().take(2500).collect::<String>(),
            b.chars().take(2500).collect::<String>()
        );
    }
}
