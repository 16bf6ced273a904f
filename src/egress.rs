//! The one way out of the building.
