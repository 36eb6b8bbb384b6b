//! Changes at random: of bytes, and of JSON that stays JSON, which random bytes nearly never do.

use serde_json::Value;

const WORDS: &[&str] = &[
    "null",
    "{}",
    "[]",
    "\"\"",
    "-1",
    "1e999",
    "\\u0000",
    "\\ud800",
    ",",
    "\"",
    "}",
    "]",
    "\n",
    "\t",
    "\r\n",
    "\"type\":",
    "\"index\":7,",
    "\u{feff}",
    "[DONE]",
];

const VALUES: &[&str] = &[
    "null",
    "{}",
    "[]",
    "\"\"",
    "0",
    "1",
    "2",
    "-1",
    "0.5",
    "1e308",
    "4294967295",
    "18446744073709551615",
    "18446744073709551616",
    "true",
    "false",
    "\"x\"",
    "\"\\u0000\\n\\u2028\"",
    "\"ü\"",
    "[\"x\"]",
    "{\"x\":1}",
    "[null]",
    "[[]]",
    "[{}]",
    "\"text\"",
    "\"thinking\"",
    "\"tool_use\"",
    "\"function_call\"",
    "\"{\\\"a\\\":1}\"",
    "\"{\"",
    "\"data:image/png;base64,AAAA\"",
    "\"https://example.com/a.png\"",
    "\"pointsman:gemini:AA==\"",
    "\"pointsman::\"",
];

/// Changes one thing. The same seed changes the same bytes alike.
pub fn change(bytes: &mut Vec<u8>, seed: u64) {
    let mut dice = Dice(seed);
    if bytes.is_empty() || dice.below(2) == 0 && change_json(bytes, &mut dice).is_some() {
        return;
    }
    let from = dice.below(bytes.len());
    let mut to = |long: usize| (from + dice.below(long)).min(bytes.len());
    match seed % 4 {
        0 => drop(bytes.drain(from..to(40))),
        1 => {
            let piece = bytes[from..to(200)].to_vec();
            bytes.splice(from..from, piece);
        }
        2 => bytes[from] = dice.below(256) as u8,
        _ => drop(bytes.splice(from..from, dice.one_of(WORDS).bytes())),
    }
}

/// Changes one value in one line, if it is JSON; what stands before a tab is an event's name. Or a line is moved.
fn change_json(bytes: &mut Vec<u8>, dice: &mut Dice) -> Option<()> {
    let pretty = serde_json::from_slice::<Value>(bytes).is_ok();
    let mut lines: Vec<&[u8]> = if pretty { vec![&bytes[..]] } else { bytes.split(|byte| *byte == b'\n').collect() };
    let (at, other) = (dice.below(lines.len()), dice.below(lines.len()));
    let changed;
    match dice.below(8) {
        0 if lines.len() > 1 => lines.swap(at, other),
        1 if lines.len() > 1 => lines[at] = lines[other],
        2 if lines.len() > 1 => drop(lines.remove(at)),
        _ => {
            let json_at = lines[at].iter().position(|byte| *byte == b'\t').map_or(0, |tab| tab + 1);
            let mut value: Value = serde_json::from_slice(&lines[at][json_at..]).ok()?;
            let mut count = 0;
            visit(&mut value, &mut |_| count += 1);
            let (from, to) = (dice.below(count), dice.below(count));
            let mut news = serde_json::from_str(dice.one_of(VALUES)).ok()?;
            if dice.below(3) == 0 {
                nth(&mut value, from, &mut |value| news = value.clone());
            }
            let way = dice.below(4);
            nth(&mut value, to, &mut |value| match value {
                Value::Array(items) if way == 0 => items.push(news.clone()),
                Value::Array(items) if way == 1 => items.reverse(),
                Value::Object(fields) if way == 0 && !fields.is_empty() => {
                    fields.remove(&fields.keys().nth(from % fields.len()).cloned().unwrap_or_default());
                }
                Value::String(text) if way == 0 => *text = text.chars().take(text.chars().count() / 2).collect(),
                value => *value = news.clone(),
            });
            changed = [&lines[at][..json_at], value.to_string().as_bytes()].concat();
            lines[at] = &changed;
        }
    }
    *bytes = lines.join(&b'\n');
    Some(())
}

fn visit(value: &mut Value, each: &mut impl FnMut(&mut Value)) {
    each(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, each)),
        Value::Object(fields) => fields.values_mut().for_each(|field| visit(field, each)),
        _ => {}
    }
}

fn nth(value: &mut Value, mut n: usize, change: &mut impl FnMut(&mut Value)) {
    visit(value, &mut |value| {
        if n == 0 {
            change(value);
        }
        n = n.wrapping_sub(1);
    });
}

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % end.max(1)
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}
