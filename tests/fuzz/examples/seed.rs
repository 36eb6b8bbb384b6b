//! Fills a corpus for each of cargo-fuzz's targets: `seed FOLDER`. The first bytes say which subject is meant, as in
//! `targets/`.

use std::path::Path;
use std::{env, fs};

use pointsman_fuzz::{fixtures, subjects};

fn main() {
    let folder = env::args().nth(1).expect("the folder of the corpus");
    let mut corpus = Corpus { folder: folder.as_ref(), count: 0 };
    for (which, subject) in (0..).zip(subjects()) {
        if subject.client.is_some() {
            fixtures::requests(subject.name).iter().for_each(|request| corpus.add("body", &[which], &request.bytes));
        }
        for (stream, frames) in fixtures::streams(subject.name) {
            corpus.add("reply", &[which, 2], &fixtures::as_lines(&frames));
            corpus.add("framing", &[which * 40], &stream.wire_bytes());
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
