//! `queue:wrong` and the other queues in a query, with `order:` and `about:`.

use super::curators::Terms;
use super::terms::without;
use crate::domain::{RelationId, RelationSchema};
use crate::workspace::noise::queue::{Order, QueueKind};

/// A query with its terms about a queue taken out, every other character in its place.
#[derive(Debug)]
pub struct Asked {
    pub kind: Option<QueueKind>,
    pub order: Order,
    /// Names of relations, as typed after `about:`.
    about: Vec<String>,
    /// Its terms about curators.
    pub curators: Terms,
    pub rest: String,
}

impl Asked {
    pub fn read(query: &str) -> Self {
        let (curators, rest) = Terms::take(query);
        Self {
            curators,
            ..Self::of_queue(&rest)
        }
    }

    fn of_queue(query: &str) -> Self {
        let (mut kind, mut order, mut about) = (None, None, Vec::new());
        let mut first = |term: &str| match term.split_once(':') {
            Some(("queue", name)) if kind.is_none() => {
                kind = QueueKind::from_name(name);
                kind.is_some()
            }
            Some(("order", name)) if order.is_none() => {
                order = Order::from_name(name);
                order.is_some()
            }
            Some(("about", name)) => {
                about.push(name.trim_matches('"').replace("\\\"", "\""));
                true
            }
            _ => false,
        };
        let rest = without(query, &mut first);
        Self {
            // An order without a queue is no order: the query's own words.
            rest: if kind.is_some() {
                rest
            } else {
                query.to_owned()
            },
            order: kind.and(order).unwrap_or(Order::Suspicious),
            kind,
            about,
            curators: Terms::default(),
        }
    }

    /// What the query asks a queue about and the schema does not know.
    pub fn unknown_relation(&self, schema: &RelationSchema) -> Option<&str> {
        let unknown = |name: &&String| self.kind.is_some() && schema.find_relation(name).is_none();
        self.about.iter().find(unknown).map(String::as_str)
    }

    /// Relations that the query asks the queue about, or names as a label or at all: the queue then asks about no others.
    pub fn relations(&self, schema: &RelationSchema) -> Vec<RelationId> {
        let about = self.about.iter().map(String::as_str);
        let names = self.rest.split_whitespace().filter_map(|term| {
            let name = term
                .strip_prefix("rel:")
                .or_else(|| term.strip_prefix("gold:"))?;
            Some(name.trim_matches('"'))
        });
        let names = about.chain(names);
        names
            .filter_map(|name| schema.find_relation(name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::noise::Kind;

    #[test]
    fn the_term_is_taken_out_and_columns_stay() {
        let check = |query: &str, kind: Option<QueueKind>, rest: &str| {
            let asked = Asked::read(query);
            assert_eq!((asked.kind, asked.rest.as_str()), (kind, rest), "{query:?}");
        };
        check("", None, "");
        check("born", None, "born");
        check(
            "queue:wrong",
            Some(QueueKind::Noise(Kind::Wrong)),
            "           ",
        );
        check(
            "né queue:missing x",
            Some(QueueKind::Noise(Kind::Missing)),
            "né               x",
        );
        check("queue:rules", Some(QueueKind::Rules), "           ");
        check("queue:wrongly", None, "queue:wrongly");
        check("-queue:wrong", None, "-queue:wrong");
        check("queue:none", None, "queue:none");
        check("order:random x", None, "order:random x");
        check(
            "queue:wrong x order:uncertain",
            Some(QueueKind::Noise(Kind::Wrong)),
            "            x                ",
        );
        assert_eq!(
            Asked::read("order:document queue:missing").order,
            Order::Document
        );
    }
}
