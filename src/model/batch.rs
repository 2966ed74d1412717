//! Sentences → packed pieces, cut at word boundaries to what the encoder can see.

use super::encoded::BatchLayout;
use super::tokens::WordPieces;
use std::sync::Arc;

/// Word pieces of several sentences, end to end: [CLS] w1 .. wn [SEP] [CLS] ..
#[derive(Clone, Debug)]
pub struct Batch {
    /// [P]
    pub ids: Vec<u32>,
    /// [P], position of each piece in its sentence.
    pub positions: Vec<u32>,
    pub layout: Arc<BatchLayout>,
}

impl Batch {
    /// `max_pieces` counts [CLS] and [SEP]. Words beyond it are not covered: `layout.n_words(b)` tells how many are.
    pub fn new<'a, S>(
        sentences: impl IntoIterator<Item = S>,
        tokens: &WordPieces,
        max_pieces: usize,
    ) -> Self
    where
        S: IntoIterator<Item = &'a str>,
    {
        let (mut ids, mut positions) = (Vec::new(), Vec::new());
        let (mut word_starts, mut piece_starts, mut word_pieces) = (vec![0], vec![0], Vec::new());
        for sentence in sentences {
            let first = ids.len();
            ids.push(tokens.cls);
            for word in sentence {
                let pieces = tokens.pieces(word);
                if ids.len() - first + pieces.len() + 1 > max_pieces {
                    break;
                }
                word_pieces.push(ids.len()..ids.len() + pieces.len());
                ids.extend_from_slice(&pieces);
            }
            ids.push(tokens.sep);
            positions.extend(0..(ids.len() - first) as u32);
            word_starts.push(word_pieces.len());
            piece_starts.push(ids.len());
        }
        let layout = Arc::new(BatchLayout {
            word_starts,
            piece_starts,
            word_pieces,
        });
        Self {
            ids,
            positions,
            layout,
        }
    }
}
