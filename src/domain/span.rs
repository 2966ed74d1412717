//! Half-open, never empty spans over tokens and bytes.

/// Tokens `start..end` of a sentence; `start < end` by construction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenSpan {
    start: u32,
    end: u32,
}

/// Bytes `start..end` of a sentence's text; `start < end` by construction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ByteSpan {
    start: u32,
    end: u32,
}

macro_rules! span {
    ($($name:ident),+) => {$(
        impl $name {
            /// `None` when the span would be empty or does not fit 32 bits.
            pub fn new(start: usize, end: usize) -> Option<Self> {
                let (start, end) = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
                (start < end).then_some(Self { start, end })
            }
            pub fn start(self) -> usize {
                self.start as usize
            }
            pub fn end(self) -> usize {
                self.end as usize
            }
            /// At least 1.
            #[allow(clippy::len_without_is_empty)] // a span is never empty
            pub fn len(self) -> usize {
                (self.end - self.start) as usize
            }
            pub fn range(self) -> std::ops::Range<usize> {
                self.start()..self.end()
            }
            pub fn contains(self, position: usize) -> bool {
                self.range().contains(&position)
            }
            pub fn overlaps(self, other: Self) -> bool {
                self.start < other.end && other.start < self.end
            }
        }
    )+};
}
span!(TokenSpan, ByteSpan);

impl TokenSpan {
    /// The last token: RIN's default anchor (specs of the last-word corpora).
    pub fn last(self) -> usize {
        self.end() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_never_empty_and_know_overlap() {
        assert!(TokenSpan::new(3, 3).is_none());
        assert!(TokenSpan::new(4, 3).is_none());
        assert!(TokenSpan::new(0, usize::MAX).is_none());
        let a = TokenSpan::new(2, 5).unwrap();
        let b = TokenSpan::new(5, 6).unwrap();
        assert!(!a.overlaps(b) && !b.overlaps(a) && a.overlaps(a));
        assert_eq!((a.len(), a.last()), (3, 4));
        assert!(a.contains(2) && !a.contains(5));
    }
}
