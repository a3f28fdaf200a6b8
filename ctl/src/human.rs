//! Values as a person reads them. JSON never passes through here.

pub(crate) mod count;
pub(crate) mod duration;
pub(crate) mod size;
pub(crate) mod text;
pub(crate) mod time;
