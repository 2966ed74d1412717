//! Words of a query that the index knows nothing of: what they ask for is done to its answer.

/// `query` with blanks for each word that `take` takes. A character takes one column, whatever its bytes, so an error further on points at its place.
pub fn without(query: &str, mut take: impl FnMut(&str) -> bool) -> String {
    let (mut rest, mut from) = (String::with_capacity(query.len()), 0);
    for (at, word) in words(query) {
        if take(word) {
            rest.push_str(&query[from..at]);
            rest.extend(word.chars().map(|_| ' '));
            from = at + word.len();
        }
    }
    rest.push_str(&query[from..]);
    rest
}

/// Words between blanks, with their place in bytes; blanks inside quotes part nothing.
fn words(query: &str) -> Vec<(usize, &str)> {
    let (mut words, mut start, mut quoted) = (Vec::new(), None, false);
    for (at, c) in query.char_indices() {
        if c.is_whitespace() && !quoted {
            words.extend(start.take().map(|from| (from, &query[from..at])));
            continue;
        }
        start.get_or_insert(at);
        quoted ^= c == '"';
    }
    words.extend(start.map(|from| (from, &query[from..])));
    words
}
