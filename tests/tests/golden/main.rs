//! Every client protocol with every provider, from files: see `fixtures/README.md`. What stands in `fixtures/golden` was
//! looked through once; a difference is a mistake, or a change that someone must look through again:
//!
//!     UPDATE_GOLDEN=1 cargo test -p pointsman-tests --test golden

mod errors;
mod files;
mod replies;
mod requests;
mod table;
