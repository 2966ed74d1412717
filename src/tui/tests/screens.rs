//! Pictures of the main screens at the sizes that matter.
use super::*;

#[test]
fn look() {
    for (w, h) in [(200, 50), (100, 30), (80, 24), (60, 15)] {
        let mut b = Bench::new(w, h);
        println!("{}", b.text());
        b.press("enter");
        println!("{}", b.text());
        b.press("tab tab");
        println!("{}", b.text());
        b.press("q ]");
        println!("{}", b.text());
    }
}
