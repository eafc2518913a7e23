//! A restore that lacks one safeguard, for the proof that each is needed: what catches
//! nothing when one is missing proves nothing when all are there.

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "named where it would be missing")
)]
pub(super) enum Crippled {
    /// Old bytes are not kept.
    KeepsNothing,
    /// What an earlier run kept is not looked at.
    ForgetsEarlierRuns,
    /// The first erase block of a partition comes first.
    HeaderFirst,
    /// What was written is not read back.
    NoReadingBack,
    /// What a partition's erase block holds of its neighbour is not put back.
    LosesNeighbours,
    /// An erase block that was in hand and reads well is taken for written.
    TrustsReading,
    /// Old bytes go before what was written is read back.
    MarksTooEarly,
}

#[cfg(not(test))]
pub(super) const fn lacks(_: Crippled) -> bool {
    false
}

#[cfg(test)]
thread_local! {
    static LACKS: std::cell::Cell<Option<Crippled>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
pub(super) fn lacks(what: Crippled) -> bool {
    LACKS.get() == Some(what)
}

/// Lets restores of this thread lack something, or nothing.
#[cfg(all(test, feature = "full"))]
pub(super) fn cripple(what: Option<Crippled>) {
    LACKS.set(what);
}
