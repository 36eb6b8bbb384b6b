//! What this machine lacks for a connection (descriptors, ports, memory) says nothing of the provider.

use std::error::Error;
use std::fmt;
use std::io;

use rustix::io::Errno;

const SHORTAGES: [Errno; 5] = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM];

/// Why a request was not sent, or has no head of a reply.
#[derive(Clone, Debug)]
pub struct Unsent {
    /// For people: which part of the way to the provider failed.
    pub text: String,
    /// This machine lacked something: nobody else's fault.
    pub is_ours: bool,
    /// Connections that are open to other places hold what was lacking.
    pub others_hold_it: bool,
}

impl Unsent {
    /// No connection, because of this error. `text` is for people.
    pub fn because(error: &(dyn Error + 'static), text: String) -> Unsent {
        let lacking = lacking(error);
        // Ports run out for one destination; those of connections to others are no use, and one that is closed here keeps its port.
        let others_hold_it = lacking.is_some_and(|errno| errno != Errno::ADDRNOTAVAIL);
        Unsent { text, is_ours: lacking.is_some(), others_hold_it }
    }
}

impl From<String> for Unsent {
    fn from(text: String) -> Unsent {
        Unsent { text, is_ours: false, others_hold_it: false }
    }
}

impl From<&str> for Unsent {
    fn from(text: &str) -> Unsent {
        text.to_owned().into()
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Does the error, or one of its causes, say that this machine lacks something?
pub fn is_ours(error: &(dyn Error + 'static)) -> bool {
    lacking(error).is_some()
}

fn lacking(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let of_system = error.downcast_ref::<io::Error>();
        let code = of_system.and_then(io::Error::raw_os_error);
        let found = SHORTAGES.into_iter().find(|shortage| code == Some(shortage.raw_os_error()));
        if found.is_some() {
            return found;
        }
        // An error that one of the system wraps is not its source: that is the source of what is wrapped.
        let wrapped = of_system.and_then(io::Error::get_ref);
        cause = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// No port or address of this machine leads there, which another of the provider's addresses may have.
pub fn is_of_address(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_found_below_what_wraps_it() {
        let bare = || io::Error::from_raw_os_error(Errno::MFILE.raw_os_error());
        assert!(is_ours(&bare()) && is_ours(&io::Error::other(bare())));
        assert!(!is_ours(&io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert!(!is_ours(&io::Error::from_raw_os_error(Errno::CONNREFUSED.raw_os_error())));
    }
}
