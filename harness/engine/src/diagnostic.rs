//! What a wrong case file gets: a place, a caret, what was expected there.
//!
//! Owns the form of a complaint. Refuses to know what is wrong in a case.

/// The name of `names` that `wrong` was probably meant to be; `None` when none is near.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = wrong.chars().count().div_ceil(3).min(4);
    names.into_iter().map(|name| (distance(wrong, name), name)).filter(|(d, _)| *d <= limit).min().map(|(_, name)| name)
}

/// Edits (insert, delete, change, swap of neighbours) between two names; case and `-`, `_`, `.` count for nothing.
fn distance(a: &str, b: &str) -> usize {
    let plain = |text: &str| -> Vec<char> {
        text.chars().take(64).filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
    };
    let (a, b) = (plain(a), plain(b));
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("rcv.next", ["snd.nxt", "rcv.nxt", "rcv.wnd"]), Some("rcv.nxt"));
        assert_eq!(nearest("FIN_WAIT_2", ["FIN-WAIT-1", "FIN-WAIT-2"]), Some("FIN-WAIT-2"));
        assert_eq!(nearest("banana", ["close", "shutdown"]), None);
    }
}
