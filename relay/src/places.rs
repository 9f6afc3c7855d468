//! Who holds how many places: connections of an address, sessions of an admission. In memory only, and of those who hold
//! something now.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// How many may be held at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// By all together.
    pub(crate) all: usize,
    /// By each key.
    pub(crate) each: usize,
}

/// Places of one kind.
#[derive(Debug)]
pub(crate) struct Places<K>(Arc<Mutex<Table<K>>>);

#[derive(Debug)]
struct Table<K> {
    most: Most,
    all: usize,
    /// A count for each key that holds anything.
    each: HashMap<K, usize>,
}

/// One place, given back when dropped.
pub(crate) struct Place<K: Eq + Hash> {
    key: K,
    table: Arc<Mutex<Table<K>>>,
}

impl<K: Eq + Hash + Copy> Places<K> {
    pub(crate) fn new(most: Most) -> Self {
        Self(Arc::new(Mutex::new(Table { most, all: 0, each: HashMap::new() })))
    }

    /// One more place for a key, if there is one.
    pub(crate) fn take(&self, key: K) -> Option<Place<K>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = table.each.get(&key).copied().unwrap_or(0);
        if table.all >= table.most.all || count >= table.most.each {
            return None;
        }
        table.all += 1;
        table.each.insert(key, count + 1);
        Some(Place { key, table: Arc::clone(&self.0) })
    }
}

impl<K: Eq + Hash + Copy> Place<K> {
    /// Who holds it.
    pub(crate) fn key(&self) -> K {
        self.key
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.all -= 1;
        let each = &mut table.each;
        if let Some(count) = each.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                each.remove(&self.key);
            }
        }
        // A flood that has ended gives its table back.
        if each.capacity() > 64 && each.len() < each.capacity() / 4 {
            each.shrink_to_fit();
        }
    }
}

/// Whom connections and blob streams are counted for: an IPv4 address, or the /64 of an IPv6 one, which one machine has to itself.
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
        let places = Places::new(Most { all: 5, each: 3 });
        let held: Vec<_> = (0..3).map(|_| places.take('a').unwrap()).collect();
        assert!(places.take('a').is_none());
        assert!(places.take('b').is_some());
        drop(held);
        assert!(places.0.lock().unwrap().each.is_empty(), "nothing is kept of who has left");
        assert!(places.take('a').is_some());
    }

    #[test]
    fn all_keys_together_have_a_number_of_places() {
        let places = Places::new(Most { all: 3, each: 2 });
        let held: Vec<_> = ['a', 'a', 'b'].into_iter().map(|key| places.take(key).unwrap()).collect();
        assert!(places.take('b').is_none());
        drop(held);
        assert!(places.take('b').is_some());
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
