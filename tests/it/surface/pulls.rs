//! Pull requests.

mod merge;
mod review;
mod site;
mod status;
mod update;
