//! The REST adapter for Bitbucket Data Center.
