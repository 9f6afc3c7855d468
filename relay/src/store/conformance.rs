//! The facts every engine must hold. Each is run on memory and on sled.

mod access;
mod agreement;
mod archive;
mod bounds;
mod census;
mod damage;
mod durability;
mod entries;
mod faults;
mod journal;
mod mailboxes;
mod upgrade;
mod world;

/// Makes one test per fact and engine.
macro_rules! facts {
    ($($fact:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $fact() { super::$fact(&mut super::World::memory()); })*
        }
        mod sled {
            $(#[test] fn $fact() { super::$fact(&mut super::World::sled()); })*
        }
    };
}
use facts;
