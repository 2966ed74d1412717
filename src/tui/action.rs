//! The table of everything a key can do. The key map, the help page, the hints, the palette and docs/keys.md are all
//! made from it, so an action that is added here appears in each of them.

use std::str::FromStr;
use std::sync::LazyLock;

/// One line of the table.
pub struct Entry {
    pub action: Action,
    pub context: Context,
    /// As in a key map: `sentence.accept`.
    pub name: String,
    /// One sentence for the help page.
    pub doc: &'static str,
    /// Default keys, as in a key map: `g g`.
    pub keys: &'static [&'static str],
}

impl Entry {
    /// The name without its context, in words: what a hint shows.
    pub fn label(&self) -> String {
        let (_, name) = self.name.split_once('.').unwrap_or(("", &self.name));
        name.replace('-', " ")
    }
}

macro_rules! actions {
    ($( $(#[doc = $about:literal])+ $context:ident {
        $( $(#[doc = $doc:literal])+ $name:ident = [$($key:literal),* $(,)?] ),+ $(,)?
    } )+) => {
        /// What a key can do, by the place where it does it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $( $context($context) ),+ }
        /// A place where keys have a meaning of their own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Context { $( $(#[doc = $about])+ $context ),+ }
        $( #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
           pub enum $context { $( $(#[doc = $doc])+ $name ),+ } )+

        impl Context {
            pub const ALL: &'static [Context] = &[$(Context::$context),+];
            pub fn about(self) -> &'static str {
                match self { $(Context::$context => [$($about),+][0].trim_ascii()),+ }
            }
            /// As the table of a key map is called.
            pub fn name(self) -> String {
                match self { $(Context::$context => kebab(stringify!($context))),+ }
            }
        }
        static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| vec![ $( $( Entry {
            action: Action::$context($context::$name),
            context: Context::$context,
            name: format!("{}.{}", kebab(stringify!($context)), kebab(stringify!($name))),
            doc: [$($doc),+][0].trim_ascii(),
            keys: &[$($key),*],
        } ),+ ),+ ]);
    };
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}

actions! {
    /// In the list of sentences
    Corpus {
        /// Open the sentence under the cursor, or filter by the relation under it.
        Open = ["enter"],
        /// Move between the relations and the sentences.
        SwitchPanel = ["tab"],
        /// Go to the relations.
        Relations = ["h", "left"],
        /// Go to the sentences.
        Sentences = ["l", "right"],
        /// Next sentence in which model and labels disagree.
        NextDisagreement = ["n"],
        /// Previous sentence in which model and labels disagree.
        PreviousDisagreement = ["N"],
        /// Start or end a range of sentences.
        Range = ["v"],
        /// Make the whole list the range.
        RangeAll = ["V"],
        /// Judge right what the query asks for, here or in the range; asks first where that is more than one triple.
        Accept = ["a"],
        /// Judge wrong what the query asks for, here or in the range; asks first where that is more than one triple.
        Reject = ["x"],
        /// Judge undecidable what the query asks for, here or in the range.
        Unsure = ["s"],
        /// Predict the sentence under the cursor, or the range.
        Predict = ["p"],
        /// In a queue: the next order (suspicious, uncertain, random, document).
        Order = ["o"],
        /// Show every sentence again.
        ClearQuery = ["-"],
    }
    /// In the pages of errors
    Errors {
        /// Open what is under the cursor: the relation's false positives, a cell, an outcome, what a run broke.
        Open = ["enter"],
        /// Open the false negatives of the relation: labelled, not predicted.
        FalseNegatives = ["m"],
        /// Open what the current run decides rightly and the earlier one did not.
        Fixed = ["f"],
        /// The cell at the left, a lower threshold, an earlier run to compare with.
        Left = ["h", "left"],
        /// The cell at the right, a higher threshold, a later run to compare with; of a relation, open every sentence with it.
        Right = ["l", "right"],
        /// A lower threshold, by a tenth.
        LeftFar = ["H"],
        /// A higher threshold, by a tenth.
        RightFar = ["L"],
        /// The threshold with the highest F1.
        Best = ["b"],
        /// Keep the threshold: the relation is predicted by it from now on, in this workspace and by this model.
        Keep = ["w"],
        /// Drop the threshold that is tried, or give the relation the model's again; drop a kept slice.
        Drop = ["x"],
        /// Keep a slice: a query with figures of its own.
        AddSlice = ["a"],
        /// Next page: relations, confusions, outcomes, thresholds, slices, runs.
        NextPage = ["tab"],
        /// Previous page.
        PreviousPage = ["backtab"],
        /// Count against the original labels, or against those that stand.
        Against = ["o"],
        /// Sort by the next column.
        Sort = ["s"],
    }
    /// In the disputes
    Disputes {
        /// Decide as the left side, which stands now.
        Left = ["h", "left"],
        /// Decide as the right side.
        Right = ["l", "right"],
        /// Decide for neither: undecided, left out of training.
        Undecided = ["s"],
        /// Go to the sentence.
        Sentence = ["enter"],
    }
    /// In a sentence
    Sentence {
        /// Judge the triple right.
        Accept = ["a"],
        /// Judge the triple wrong: an explicit negative.
        Reject = ["x"],
        /// Judge the triple undecidable: left out of training.
        Unsure = ["s"],
        /// Take the judgement back: the triple counts as not looked at.
        Clear = ["-", "backspace"],
        /// Mark the sentence done and go to the next one.
        Done = ["d"],
        /// Mark the sentence done, or not done, and stay.
        ToggleDone = ["D"],
        /// Next label that the queue asks about, else next sentence.
        Next = ["n", "l", "right"],
        /// Previous label asked about, else previous sentence.
        Previous = ["N", "h", "left"],
        /// Add a triple: jump to its head, to its tail, choose the relation.
        Add = ["A", "+"],
        /// Change the relation of the triple.
        Change = ["c"],
        /// Change to relation 1 of the bar.
        Relation1 = ["1"],
        /// Change to relation 2 of the bar.
        Relation2 = ["2"],
        /// Change to relation 3 of the bar.
        Relation3 = ["3"],
        /// Change to relation 4 of the bar.
        Relation4 = ["4"],
        /// Change to relation 5 of the bar.
        Relation5 = ["5"],
        /// Change to relation 6 of the bar.
        Relation6 = ["6"],
        /// Change to relation 7 of the bar.
        Relation7 = ["7"],
        /// Change to relation 8 of the bar.
        Relation8 = ["8"],
        /// Change to relation 9 of the bar.
        Relation9 = ["9"],
        /// Exchange head and tail.
        Reverse = ["r"],
        /// Move the edges of an entity, with every triple that uses it.
        MoveSpan = ["m"],
        /// Set the type of an entity.
        Type = ["t"],
        /// Add an entity: jump to its first and its last word.
        AddEntity = ["e"],
        /// Remove an entity that no label uses.
        RemoveEntity = ["E"],
        /// List every sentence with this fact, to judge it in all of them.
        SameFact = ["b"],
        /// List every label of this relation with the same words between head and tail, to judge all of them.
        SamePattern = ["B"],
        /// Give the triple's verdict to the same fact in every duplicate of the sentence; asks first.
        SameVerdict = ["="],
        /// Flag the triple with what is wrong about it.
        Flag = ["f"],
        /// Write a note on the sentence.
        WriteNote = ["w"],
        /// Predict this sentence now.
        Predict = ["p"],
        /// Next pane of evidence: kernel, rounds, knowledge base, bag.
        NextPane = ["tab"],
        /// Previous pane of evidence.
        PreviousPane = ["backtab"],
        /// Give the pane of evidence the whole height, or take it back.
        Zoom = ["z"],
        /// Copy the sentence to the clipboard.
        Yank = ["y"],
    }
    /// While an entity's edges are moved
    Span {
        /// Left edge one word to the left.
        LeftEdgeLeft = ["h", "left"],
        /// Left edge one word to the right.
        LeftEdgeRight = ["l", "right"],
        /// Right edge one word to the left.
        RightEdgeLeft = ["H", "down"],
        /// Right edge one word to the right.
        RightEdgeRight = ["L", "up"],
        /// Keep the new edges.
        Apply = ["enter"],
    }
    /// In a window on top
    Overlay {
        /// Yes, start, keep.
        Confirm = ["enter", "y"],
        /// No, drop.
        Refuse = ["x"],
    }
    /// In lists and tables
    Nav {
        /// Down.
        Down = ["j", "down"],
        /// Up.
        Up = ["k", "up"],
        /// Half a page down.
        HalfDown = ["ctrl-d"],
        /// Half a page up.
        HalfUp = ["ctrl-u"],
        /// A page down.
        PageDown = ["pagedown", "ctrl-f"],
        /// A page up.
        PageUp = ["pageup", "ctrl-b"],
        /// To the first row.
        First = ["g g", "home"],
        /// To the last row.
        Last = ["G", "end"],
    }
    /// Everywhere
    App {
        /// Help for where you are.
        Help = ["?", "f1"],
        /// Find and run any action by name.
        Palette = [":", "space"],
        /// Type a query (docs/query.md).
        Search = ["/"],
        /// Step back: close, leave, in the end quit.
        Back = ["esc", "q"],
        /// Undo the latest correction, also one of an earlier day.
        Undo = ["u"],
        /// Redo what was undone.
        Redo = ["U"],
        /// Next tab.
        NextTab = ["]"],
        /// Previous tab.
        PreviousTab = ["["],
        /// Go to the sentences.
        GoCorpus = ["g c"],
        /// Go to the errors.
        GoErrors = ["g e"],
        /// Go to what curators dispute.
        GoDisputes = ["g j"],
        /// List labels that are probably wrong, the most suspicious first.
        GoWrong = ["g w"],
        /// List relations that are probably missing, the most suspicious first.
        GoMissing = ["g a"],
        /// List labels that kept rules ask about: missing consequences, both directions, other types.
        GoRules = ["g r"],
        /// Rules between relations: see, keep and refuse them.
        Rules = ["R"],
        /// List labels on which sentences that say the same disagree.
        GoDuplicates = ["g d"],
        /// Ask models that never saw a pair what they make of it, in the background: the queues' strongest signal.
        Folds = ["g f"],
        /// Predict the whole workspace in the background.
        PredictAll = ["P"],
        /// Fine-tune the model on the corrections.
        FineTune = ["F"],
        /// Export the annotations.
        Export = ["g x"],
        /// Read past messages.
        Messages = ["g m"],
        /// Stop the running job.
        CancelJob = ["ctrl-x"],
        /// Repaint the screen.
        Redraw = ["ctrl-l"],
        /// Give the terminal back to the shell; `fg` returns.
        Suspend = ["ctrl-z"],
        /// Leave the program.
        Quit = ["ctrl-q", "ctrl-c"],
    }
}

impl Action {
    /// The whole table, in reading order.
    pub fn table() -> &'static [Entry] {
        &TABLE
    }

    pub fn entry(self) -> &'static Entry {
        let index = TABLE.iter().position(|e| e.action == self).unwrap_or(0);
        &TABLE[index]
    }
}

impl FromStr for Action {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let entry = TABLE.iter().find(|e| e.name == name);
        entry
            .map(|e| e.action)
            .ok_or_else(|| format!("unknown action `{name}`"))
    }
}

/// The text of docs/keys.md.
pub fn keys_page() -> String {
    let mut out = String::from(
        "# Keys\n\nMade from `src/tui/action.rs` by `UPDATE_DOCS=1 cargo test keys_page`; edit that file, not this one.\n\n\
         A `keymap.toml` in the settings folder (`redress info` prints it) lies on top of these. One table for each place,\n\
         `\"none\"` frees a key, a list runs several actions:\n\n\
         ```toml\n[sentence]\n\"ctrl-a\" = \"sentence.accept\"\na = [\"sentence.accept\", \"nav.down\"]\nx = \"none\"\n```\n\n\
         Keys: a character, `space`, `enter`, `esc`, `tab`, `backtab`, `backspace`, `delete`, `insert`, `up`, `down`, `left`,\n\
         `right`, `home`, `end`, `pageup`, `pagedown`, `f1` to `f12`; with `ctrl-` or `alt-` before it; several in a row with\n\
         spaces between. A conflict, or a key that begins a longer sequence, is refused when the program starts.\n",
    );
    for context in Context::ALL {
        out += &format!(
            "\n## {}\n\nTable `[{}]`.\n\n| key | action | what it does |\n|---|---|---|\n",
            context.about(),
            context.name()
        );
        for entry in TABLE.iter().filter(|e| e.context == *context) {
            let keys: Vec<String> = entry.keys.iter().map(|k| format!("`{k}`")).collect();
            out += &format!(
                "| {} | `{}` | {} |\n",
                keys.join(" "),
                entry.name,
                entry.doc
            );
        }
    }
    out
}
