//! The engine: case language, trace, wire format, play, judge and run loop.
//!
//! Owns everything between a YAML file and a judgement. Refuses to know privileges, sockets and clocks: whoever plays a
//! case brings a [`play::Target`], and time comes from it.

pub mod behaviour;
pub mod case;
pub mod claims;
pub mod diagnostic;
pub mod explore;
pub mod fault;
pub mod fingerprint;
pub mod judge;
pub mod judgement;
pub mod ledger;
pub mod load;
pub mod model_target;
mod names;
pub mod notation;
pub mod peer;
pub mod play;
pub mod prediction;
pub mod printable;
pub mod relay;
pub mod run;
pub mod select;
pub mod trace;
pub mod trace_file;
pub mod view;
pub mod wire;
