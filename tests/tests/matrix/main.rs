//! Real clients, unmodified and in their default settings, while their provider fails and another one stands behind it.
//!
//! Each cell is one client, one fault of its first provider, and one protocol of the backup. The client has a task that takes
//! a call of a tool. What became of it stands in `tests/CLIENTS.md`:
//!
//! - `survived`: the client gave the whole right answer;
//! - `error`: it ended with an error that it showed;
//! - `wrong`: it gave another answer, or a part of one, as if all were well. The test fails, whatever the table says.
//!
//! Without more, a part of the cells is played, another one in each run: it takes about two minutes.
//!
//!     cargo test -p pointsman-tests --test matrix                              # a part; the seed is printed
//!     POINTSMAN_MATRIX_SEED=7 cargo test -p pointsman-tests --test matrix      # that part again
//!     POINTSMAN_MATRIX=all cargo test -p pointsman-tests --test matrix         # all
//!     POINTSMAN_MATRIX=codex/silent/gemini cargo test -p pointsman-tests --test matrix
//!     UPDATE_GOLDEN=1 POINTSMAN_MATRIX=all cargo test -p pointsman-tests --test matrix
//!
//! A cell may be given by its start (`codex`, `codex/silent`). `UPDATE_GOLDEN=1` writes the cells that were played.

mod cell;
mod clients;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use self::cell::{Cell, Verdict};

/// Cells that are played at the same time: most of a cell is waiting for timeouts.
const AT_ONCE: usize = 3;
/// After this no new cell of a part is begun.
const PART: Duration = Duration::from_secs(80);

/// The cells to play, in order, and when to begin no more of them.
fn chosen() -> (Vec<Cell>, Option<Instant>) {
    let mut cells = Cell::all();
    match std::env::var("POINTSMAN_MATRIX").unwrap_or_default().as_str() {
        "" => {}
        "all" => return (cells, None),
        start => {
            cells.retain(|cell| cell.name().starts_with(start));
            assert!(!cells.is_empty(), "no cell is named {start}*, as in codex/silent/gemini");
            return (cells, None);
        }
    }
    let seed = std::env::var("POINTSMAN_MATRIX_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("POINTSMAN_MATRIX_SEED={seed}");
    fastrand::Rng::with_seed(seed).shuffle(&mut cells);
    // Every client has its turn before any has another one.
    let mut turns: BTreeMap<&str, usize> = BTreeMap::new();
    let mut numbered: Vec<(usize, Cell)> = cells
        .into_iter()
        .map(|cell| {
            let turn = turns.entry(cell.client.name).or_default();
            *turn += 1;
            (*turn, cell)
        })
        .collect();
    numbered.sort_by_key(|(turn, _)| *turn);
    (numbered.into_iter().map(|(_, cell)| cell).collect(), Some(Instant::now() + PART))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_survive_their_provider() {
    clients::install().await;
    let (cells, until) = chosen();
    let before = &table::Table::read();
    let is_time_left = |_: &Cell| std::future::ready(until.is_none_or(|until| Instant::now() < until));
    let played: Vec<(Cell, Verdict, String)> = futures_util::stream::iter(cells)
        .take_while(is_time_left)
        .map(|cell| async move {
            let (mut verdict, mut shown) = cell.play().await;
            // The timeouts are short, and the machine may be busy with something else.
            for _ in 0..2 {
                if verdict == Verdict::Error && before.expected(&cell) == Some(Verdict::Survived) {
                    println!("{}: {verdict}, once more", cell.name());
                    (verdict, shown) = cell.play().await;
                }
            }
            println!("{}: {verdict}", cell.name());
            (cell, verdict, shown)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    println!("{} cells were played", played.len());
    let mut table = table::Table::read();
    let mut failed = Vec::new();
    for (cell, verdict, shown) in &played {
        let expected = table.expected(cell);
        let updates = table::is_updating() && *verdict != Verdict::Wrong;
        // A break in mid-stream may end either way: what had been held back is a matter of milliseconds.
        let is_better = *verdict == Verdict::Survived;
        if *verdict == Verdict::Wrong || !updates && !is_better && expected != Some(*verdict) {
            failed.push(format!("{}: {verdict}, in the table {expected:?}\n{shown}", cell.name()));
        } else if *verdict != Verdict::Survived {
            println!("{}: {verdict}: {shown}", cell.name());
        }
        table.set(cell, *verdict);
    }
    table.finish();
    assert!(failed.is_empty(), "{} of {} cells:\n{}", failed.len(), played.len(), failed.join("\n\n"));
}
