//! Requested against found: whose place resembles whom, by kind and subject by subject.

use super::PageData;
use super::places::plural;
use super::text::{name, shown};
use crate::plot::query;
use crate::report::Confusion;
use crate::vocabulary::SubjectKind;
use maud::{Markup, html};
use std::cmp::Reverse;

/// Subjects that have a row and a column each; of a larger pool those that are most often taken for another, or another for
/// them.
const SUBJECTS: usize = 40;

/// Confusions that are listed.
const LISTED: usize = 10;

/// Most characters of a subject's name at a row or a column.
const LABEL: usize = 22;

/// Steps of shade of a cell: the page's policy forbids a colour of its own.
const SHADES: f64 = 9.0;

/// Returns the tables and matrices; `None` where no image was searched.
pub fn found(data: &PageData) -> Option<Markup> {
    let confusions = &data.windows.confusions;
    if confusions.is_empty() {
        return None;
    }
    Some(html! {
        p {
            "Each requested subject has one place to itself. Whose reference does that place resemble most, of the whole pool? Right is the \
             subject itself. Others of its kind in its place mean that the kind was drawn and not the identity, or that the encoder cannot \
             tell; another kind means that the place shows something else."
        }
        (by_kind(data))
        @for confusion in confusions {
            h3 { (name(&confusion.model, 40)) }
            (often(data, confusion))
            (matrix(data, confusion))
        }
    })
}

fn by_kind(data: &PageData) -> Markup {
    let kind_of = |subject: usize| data.subjects[subject].kind;
    let mut kinds: Vec<Option<SubjectKind>> = data.subjects.iter().map(|s| s.kind).collect();
    kinds.sort_unstable_by_key(|kind| (kind.is_none(), *kind));
    kinds.dedup();
    let row = |confusion: &Confusion, kind: Option<SubjectKind>| -> (u32, Vec<u32>) {
        let of_kind = || confusion.counts.iter().filter(move |((asked, _), _)| kind_of(*asked) == kind);
        let sum =
            |is: &dyn Fn(usize, Option<usize>) -> bool| of_kind().filter(|((a, f), _)| is(*a, *f)).map(|(_, n)| n).sum::<u32>();
        let mut cells = vec![sum(&|asked, found| found == Some(asked))];
        cells.extend(kinds.iter().map(|other| sum(&|asked, found| found.is_some_and(|f| f != asked && kind_of(f) == *other))));
        cells.push(sum(&|_, found| found.is_none()));
        (of_kind().map(|(_, n)| n).sum(), cells)
    };
    html! {
        div.scroll role="region" aria-label="Requested and found, by kind" tabindex="0" {
            table {
                caption { "Requested and found, by kind, in per cent of the requested subjects" }
                thead { tr {
                    th scope="col" { "model" } th scope="col" { "requested" } th.number scope="col" { "subjects" } th.number scope="col" { "itself" }
                    @for kind in &kinds { th.number scope="col" { @if kind.is_some() { "other " } (plural(*kind)) } }
                    th.number scope="col" { "no place" }
                } }
                @for confusion in &data.windows.confusions {
                    @let rows: Vec<_> = kinds.iter().map(|kind| (*kind, row(confusion, *kind))).filter(|(_, (all, _))| *all > 0).collect();
                    tbody {
                        @for (n, (kind, (all, cells))) in rows.iter().enumerate() {
                            tr {
                                @if n == 0 { th scope="rowgroup" rowspan=(rows.len()) { (name(&confusion.model, 28)) } }
                                th scope="row" { (plural(*kind)) }
                                td.number { (all) }
                                @for cell in cells { td.number { (format!("{:.1}", 100.0 * f64::from(*cell) / f64::from(*all))) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What shows in the gallery the images of a model in which a subject's place resembles another.
fn taken_for(data: &PageData, model: &str, asked: usize, found: Option<usize>) -> String {
    // An id may be anything, so it has a sign before it that tells it from no place.
    let found = found.map_or_else(|| "-".to_owned(), |found| format!("={}", data.subjects[found].id));
    query(&[("model", model), ("subject", &data.subjects[asked].id), ("found", &found)])
}

/// The pairs that are most often taken for one another.
fn often(data: &PageData, confusion: &Confusion) -> Markup {
    let wrong = confusion.counts.iter().filter_map(|((asked, found), n)| Some((*asked, (*found)?, *n)));
    let mut wrong: Vec<(usize, usize, u32)> = wrong.filter(|(asked, found, _)| asked != found).collect();
    wrong.sort_by_key(|(asked, found, n)| (Reverse(*n), *asked, *found));
    let label = |subject: usize| name(&data.subjects[subject].label, LABEL);
    html! {
        @if !wrong.is_empty() {
            p {
                "Most often taken for another: "
                @for (n, (asked, found, times)) in wrong.iter().take(LISTED).enumerate() {
                    @if n > 0 { ", " }
                    a href={ "#" (taken_for(data, &confusion.model, *asked, Some(*found))) } { (label(*asked)) " → " (label(*found)) } " (" (times) ")"
                }
                "."
            }
        }
    }
}

/// The subjects that have a row and a column, by kind.
fn shown_subjects(data: &PageData, confusion: &Confusion) -> Vec<usize> {
    let mut errors = vec![0_u32; data.subjects.len()];
    let mut known = vec![false; data.subjects.len()];
    for ((asked, found), n) in &confusion.counts {
        known[*asked] = true;
        if *found != Some(*asked) {
            errors[*asked] += n;
        }
        if let Some(found) = found.filter(|found| found != asked) {
            known[found] = true;
            errors[found] += n;
        }
    }
    let mut subjects: Vec<usize> = (0..data.subjects.len()).filter(|at| known[*at]).collect();
    subjects.sort_by_key(|at| Reverse(errors[*at])); // stable
    subjects.truncate(SUBJECTS);
    subjects.sort_by_key(|at| (data.subjects[*at].kind.is_none(), data.subjects[*at].kind, *at));
    subjects
}

/// A row for each subject that was asked for, a column for each whom its places resemble most: a table, each of whose cells
/// leads to its images.
fn matrix(data: &PageData, confusion: &Confusion) -> Markup {
    let subjects = shown_subjects(data, confusion);
    let mut sums = vec![0_u32; data.subjects.len()];
    confusion.counts.iter().for_each(|((asked, _), n)| sums[*asked] += n);
    let count = |asked: usize, found: Option<usize>| confusion.counts.get(&(asked, found)).copied().unwrap_or_default();
    let rows: Vec<usize> = subjects.iter().copied().filter(|asked| sums[*asked] > 0).collect();
    let elsewhere = |asked: usize| -> u32 {
        let of = confusion.counts.range((asked, None)..=(asked, Some(usize::MAX)));
        of.filter(|((_, found), _)| found.is_some_and(|found| !subjects.contains(&found))).map(|(_, n)| n).sum()
    };
    let all_here = rows.iter().all(|asked| elsewhere(*asked) == 0);
    let cell = |asked: usize, found: Option<usize>| {
        let n = count(asked, found);
        let shade = (SHADES * f64::from(n) / f64::from(sums[asked].max(1))).ceil();
        let right = found == Some(asked);
        let whom = found.map_or_else(|| "no place".to_owned(), |found| shown(&data.subjects[found].label));
        html! {
            @if n == 0 { td.itself[right] {} } @else {
                td class={ (if right { "itself right" } else { "wrong" }) " s" (shade) } {
                    a href={ "#" (taken_for(data, &confusion.model, asked, found)) }
                        title={ (shown(&data.subjects[asked].label)) " → " (whom) ": " (n) " of " (sums[asked]) } { (n) }
                }
            }
        }
    };
    html! {
        div.scroll.matrix role="region" aria-label={ "Requested against found, " (shown(&confusion.model)) } tabindex="0" {
            table {
                caption {
                    "Rows: who was asked for. Columns: whom the place resembles most. Darker: more of the row; blue is right. A click shows the images."
                    @if rows.len() < sums.iter().filter(|n| **n > 0).count() { " The " (rows.len()) " subjects that are most often confused." }
                }
                thead { tr {
                    th scope="col" { "asked for" }
                    @for found in &subjects { th.upright scope="col" { span { (name(&data.subjects[*found].label, LABEL)) } } }
                    @if !all_here { th.upright scope="col" { span { "others" } } }
                    th.upright scope="col" { span { "no place" } }
                } }
                tbody {
                    @for asked in &rows {
                        tr {
                            th scope="row" { (name(&data.subjects[*asked].label, LABEL)) }
                            @for found in &subjects { (cell(*asked, Some(*found))) }
                            @if !all_here { td { @if elsewhere(*asked) > 0 { (elsewhere(*asked)) } } }
                            (cell(*asked, None))
                        }
                    }
                }
            }
        }
    }
}
