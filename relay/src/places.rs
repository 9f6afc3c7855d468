//! How many each of many holds at once: connections of an address, sessions of an admission. In memory only, and of
//! those who hold something now.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// A count for each key that holds anything. The places in all are bounded elsewhere, and so the table is.
#[derive(Debug)]
pub(crate) struct Places<K>(Arc<Mutex<HashMap<K, usize>>>);

/// One place, given back when dropped.
pub(crate) struct Place<K: Eq + Hash> {
    key: K,
    held: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone> Places<K> {
    /// One more place for a key that holds fewer than `most`.
    pub(crate) fn take(&self, key: K, most: usize) -> Option<Place<K>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&key).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        held.insert(key.clone(), count + 1);
        Some(Place { key, held: Arc::clone(&self.0) })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
        // A flood that has ended gives its table back.
        if held.capacity() > 64 && held.len() < held.capacity() / 4 {
            held.shrink_to_fit();
        }
    }
}

/// Whom connections are counted for: an IPv4 address, or the /64 of an IPv6 one, which one machine has to itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        // A socket for both families names IPv4 addresses in IPv6.
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [first, second, third, fourth, ..] = address.segments();
                Self::V6([first, second, third, fourth])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_places_and_gives_them_back() {
        let places = Places::default();
        let held: Vec<_> = (0..3).map(|_| places.take('a', 3).unwrap()).collect();
        assert!(places.take('a', 3).is_none());
        assert!(places.take('b', 3).is_some());
        drop(held);
        assert!(places.0.lock().unwrap().is_empty(), "nothing is kept of who has left");
        assert!(places.take('a', 3).is_some());
    }

    #[test]
    fn a_machine_is_one_source_whatever_address_it_takes() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert!(source("192.0.2.1") == source("::ffff:192.0.2.1"));
        assert!(source("192.0.2.1") != source("192.0.2.2"));
        assert!(source("2001:db8:1:2::1") == source("2001:db8:1:2:ffff::9"));
        assert!(source("2001:db8:1:2::1") != source("2001:db8:1:3::1"));
    }
}
