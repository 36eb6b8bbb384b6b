//! Fills a corpus for each of cargo-fuzz's targets: `seed FOLDER`. The first bytes say which subject is meant, as in
//! `targets/`; where the environment names one, only its fixtures are there.

use std::path::Path;
use std::{env, fs};

use pointsman_fuzz::{NAMED_BY, fixtures, name_of, subjects};

fn main() {
    let folder = env::args().nth(1).expect("the folder of the corpus");
    let mut corpus = Corpus { folder: folder.as_ref(), count: 0 };
    let named = env::var(NAMED_BY).ok();
    let wanted = |name: &str| named.as_ref().is_none_or(|named| named == name);
    for (which, subject) in (0..).zip(subjects()) {
        for (stream, _) in fixtures::streams(subject.name) {
            if stream.framing().is_some_and(|framing| wanted(name_of(framing))) {
                corpus.add("framing", &[which * 40], &stream.wire_bytes());
            }
        }
        if !wanted(subject.name) {
            continue;
        }
        if subject.client.is_some() {
            fixtures::requests(subject.name).iter().for_each(|request| corpus.add("body", &[which], &request.bytes));
        }
        for (_, frames) in fixtures::streams(subject.name) {
            corpus.add("reply", &[which, 2], &fixtures::as_lines(&frames));
        }
        for reply in fixtures::whole_replies(subject.name) {
            corpus.add("reply", &[which, 0], &reply.bytes);
        }
        for (status, body) in fixtures::errors(subject.name) {
            corpus.add("error", &[which, (status - 400) as u8], &body);
        }
        subject
            .settings
            .iter()
            .for_each(|settings| corpus.add("call", &[which, 3], format!("a/b{settings}").as_bytes()));
    }
}

struct Corpus<'a> {
    folder: &'a Path,
    count: u32,
}

impl Corpus<'_> {
    fn add(&mut self, target: &str, which: &[u8], bytes: &[u8]) {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder).expect("a folder");
        self.count += 1;
        fs::write(folder.join(format!("seed-{:04}", self.count)), [which, bytes].concat()).expect("a file");
    }
}
