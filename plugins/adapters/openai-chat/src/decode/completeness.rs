//! Whether the arguments of a tool call are a complete JSON object yet, told from its pieces.

use serde::{Deserialize, Serialize};

/// Knows only strings and brackets: enough to see the last one close.
#[derive(Default, Serialize, Deserialize)]
pub struct Completeness {
    depth: u32,
    in_string: bool,
    escaped: bool,
    complete: bool,
}

impl Completeness {
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    pub fn feed(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.in_string {
                self.in_string = self.escaped || byte != b'"';
                self.escaped = !self.escaped && byte == b'\\';
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.complete |= self.depth == 0;
                }
                _ => {}
            }
        }
    }
}
