//! Both ends of the pipe.
