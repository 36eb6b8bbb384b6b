//! Any bytes, for each framing: no panic, and the same frames wherever the bytes are cut.
#![no_main]

use upstream::frame::{Frame, Framer};

/// The host's own files, without the rest of the host: its WebAssembly engine would make fuzzing slow.
mod upstream {
    #[path = "../../../../host/src/upstream/aws.rs"]
    pub mod aws;
    #[path = "../../../../host/src/upstream/frame.rs"]
    pub mod frame;
    #[path = "../../../../host/src/upstream/lines.rs"]
    pub mod lines;
    #[path = "../../../../host/src/upstream/sse.rs"]
    pub mod sse;
}

mod plugin {
    pub mod bindings {
        pub mod provider {
            #[derive(Clone, Copy)]
            #[allow(dead_code)]
            pub enum Framing {
                Sse,
                Ndjson,
                AwsEventStream,
                WholeBody,
            }
        }
    }
}

use plugin::bindings::provider::Framing;

fn frames(framing: Framing, pieces: &[&[u8]]) -> (Vec<Frame>, bool) {
    let Some(mut framer) = Framer::new(framing) else { return (Vec::new(), true) };
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    frames.extend(framer.last_frame());
    (frames, true)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let (before, after) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    for framing in [Framing::Sse, Framing::Ndjson, Framing::AwsEventStream] {
        assert_eq!(frames(framing, &[bytes]), frames(framing, &[before, after]));
    }
});
