//! The backup pipeline: read, digest, store, prove.
