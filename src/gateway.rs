//! The cloud side: accepts agents, authenticates callers, routes their calls.
