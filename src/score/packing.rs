//! The exact one-to-one choice of windows for subjects, no two of them in one place.
//!
//! Branch and bound on the windows. The bound is Lagrange's: every set of windows that are all one place with each
//! other (a maximal clique of their graph) has a price, a window costs the prices of its sets, and each subject takes
//! what is best for it at these prices; what the subjects gain, and the prices, are together never less than the best
//! choice (M. Fisher, "The Lagrangian Relaxation Method for Solving Integer Programming Problems", Management Science
//! 27, 1981). Prices are found by subgradient steps (M. Held, P. Wolfe and H. Crowder, "Validation of Subgradient
//! Optimization", Mathematical Programming 6, 1974). Pairs of a subject and a window that no better choice can hold, by
//! this bound, are dropped, and where no windows are left that are one place the rest is an assignment problem. Because
//! branches are on windows and not on pairs, subjects that want the same windows do not multiply the work.
//!
//! There is no limit at which the search gives up: what it returns is the best there is.

use super::assignment::{Offers, assignment, gain_of, worth};
use super::conflicts::Conflicts;

/// Subgradient steps at the root, and at every other node.
const STEPS: [usize; 2] = [400, 80];

/// Steps without a lower bound after which they become shorter.
const PATIENCE: usize = 8;

/// How much of a step's direction is new; the rest is that of the steps before, which keeps it from going to and fro.
const MIX: f64 = 0.6;

/// Gains are whole numbers: where a bound exceeds one by less than this, the next is out of reach, whatever the
/// rounding.
const HALF: f64 = 0.5;

/// The choice of greatest gain: of each subject its window. Of equal ones it is the first in the order of the subjects,
/// then of the windows, no window being last.
pub(super) fn best_choice(conflicts: &Conflicts, offers: &Offers) -> Vec<Option<usize>> {
    let mut search = PackingSearch::new(conflicts, -1, i64::MAX);
    let mut prices = vec![0.0; conflicts.cliques.len()];
    search.explore(offers.clone(), &mut prices, STEPS[0]);
    let (optimum, mut choice) = (search.value, search.choice.unwrap_or_else(|| vec![None; offers.len()]));
    // What may be in any choice as good as this one.
    let mut open = offers.clone();
    drop_dear(conflicts, &mut open, &prices, optimum as f64);
    order_twins(offers, &mut choice);
    let mut fixed = 0;
    for subject in 0..offers.len() {
        // What could not be an equal subject's before cannot be this one's.
        let twin = (0..subject).rev().find(|earlier| offers[*earlier] == offers[subject]);
        if let Some(twin) = twin {
            open[subject].retain(|(window, _)| choice[twin].is_some_and(|chosen| *window > chosen));
        }
        while let Some(sooner) = sooner(conflicts, &open, &prices, subject, choice[subject], optimum - fixed) {
            choice[subject..].copy_from_slice(&sooner[subject..]);
            order_twins(offers, &mut choice);
        }
        fixed += choice[subject].and_then(|window| gain_of(&offers[subject], window)).unwrap_or(0);
        match choice[subject] {
            Some(window) => take(conflicts, &mut open, subject, window),
            None => open[subject].clear(),
        }
    }
    choice
}

/// A choice among the offers that gains `goal`, their optimum, and gives `subject` a window before `chosen`.
fn sooner(
    conflicts: &Conflicts,
    offers: &Offers,
    prices: &[f64],
    subject: usize,
    chosen: Option<usize>,
    goal: i64,
) -> Option<Vec<Option<usize>>> {
    let before = |window: usize| chosen.is_none_or(|chosen| window < chosen);
    let windows: Vec<(usize, i64)> = offers[subject].iter().copied().filter(|(window, _)| before(*window)).collect();
    if windows.is_empty() {
        return None;
    }
    // All at once, as there is seldom any; a choice that leaves the subject out proves nothing.
    let mut rest = offers.clone();
    rest[subject].clone_from(&windows);
    let mut search = PackingSearch::new(conflicts, goal - 1, goal);
    search.explore(rest, &mut prices.to_vec(), STEPS[1]);
    if search.choice.as_ref().is_none_or(|found| found[subject].is_some()) {
        return search.choice;
    }
    windows.into_iter().find_map(|(window, gain)| {
        let mut rest = offers.clone();
        take(conflicts, &mut rest, subject, window);
        let mut search = PackingSearch::new(conflicts, goal - gain - 1, goal - gain);
        search.explore(rest, &mut prices.to_vec(), STEPS[1]);
        let mut found = search.choice?;
        found[subject] = Some(window);
        Some(found)
    })
}

/// Gives subjects of equal offers their windows in ascending order, none last.
fn order_twins(offers: &Offers, choice: &mut [Option<usize>]) {
    for subject in 0..offers.len() {
        for later in subject + 1..offers.len() {
            let ahead = |a: Option<usize>, b: Option<usize>| b.is_some_and(|b| a.is_none_or(|a| b < a));
            if offers[subject] == offers[later] && ahead(choice[subject], choice[later]) {
                choice.swap(subject, later);
            }
        }
    }
}

/// Gives a window to a subject: nobody else has it or what is the same place.
fn take(conflicts: &Conflicts, offers: &mut Offers, subject: usize, window: usize) {
    offers[subject].clear();
    let row = &conflicts.with[window];
    offers.iter_mut().for_each(|offers| offers.retain(|(other, _)| *other != window && !row[*other]));
}

/// What each window costs at the prices.
fn costs(conflicts: &Conflicts, prices: &[f64]) -> Vec<f64> {
    let mut costs = vec![0.0; conflicts.with.len()];
    for (clique, price) in conflicts.cliques.iter().zip(prices).filter(|(_, price)| **price > 0.0) {
        clique.iter().for_each(|window| costs[*window] += price);
    }
    costs
}

/// Drops the pairs that no choice worth `least` or more can hold, by the bound at these prices.
fn drop_dear(conflicts: &Conflicts, offers: &mut Offers, prices: &[f64], least: f64) {
    let costs = costs(conflicts, prices);
    let value = |(window, gain): &(usize, i64)| *gain as f64 - costs[*window];
    let best: Vec<f64> = offers.iter().map(|offers| offers.iter().map(value).fold(0.0, f64::max)).collect();
    let bound = prices.iter().sum::<f64>() + best.iter().sum::<f64>();
    for (offers, best) in offers.iter_mut().zip(best) {
        offers.retain(|offer| bound - best + value(offer) > least - HALF);
    }
}

struct PackingSearch<'a> {
    conflicts: &'a Conflicts,
    /// The gain of the best choice so far, or what it has to exceed.
    value: i64,
    /// A gain that cannot be exceeded: reaching it ends the search.
    goal: i64,
    choice: Option<Vec<Option<usize>>>,
}

impl PackingSearch<'_> {
    /// Looks for choices of a gain greater than `floor`; none is greater than `goal`.
    fn new(conflicts: &Conflicts, floor: i64, goal: i64) -> PackingSearch<'_> {
        PackingSearch { conflicts, value: floor, goal, choice: None }
    }

    /// Finds the best choice among the offers if it is better than the one known. Leaves in `prices` those of the least
    /// bound.
    fn explore(&mut self, mut offers: Offers, prices: &mut Vec<f64>, steps: usize) {
        let Some(branch) = self.bound(&mut offers, prices, steps) else { return };
        let Some(branch) = branch else { return self.assign(&offers) };
        let row = &self.conflicts.with[branch];
        let without = |closed: &dyn Fn(usize) -> bool| -> Offers {
            offers.iter().map(|all| all.iter().copied().filter(|(window, _)| !closed(*window)).collect()).collect()
        };
        // Either the window may be used and nothing in its place, or it may not.
        let (kept, left) = (without(&|window| row[window]), without(&|window| window == branch));
        self.explore(kept, &mut prices.clone(), STEPS[1]);
        if self.value >= self.goal {
            return;
        }
        self.explore(left, &mut prices.clone(), STEPS[1]);
    }

    /// Lowers the bound by moving the prices, and drops offers. `None` where nothing better is left; otherwise the
    /// window to branch on, if any is one place with another.
    fn bound(&mut self, offers: &mut Offers, prices: &mut Vec<f64>, steps: usize) -> Option<Option<usize>> {
        let count = self.conflicts.with.len();
        let sets = self.open_sets(offers, prices);
        let (mut least, mut best_prices) = (f64::INFINITY, prices.clone());
        let (mut pace, mut stalled) = (1.0, 0);
        let mut taken = vec![0_u32; count];
        let mut direction = vec![0.0; sets.len()];
        for step in 0..steps {
            let costs = costs(self.conflicts, prices);
            let mut bound = prices.iter().sum::<f64>();
            let mut picks: Vec<Option<usize>> = Vec::with_capacity(offers.len());
            let mut wanted = vec![0_u32; count];
            for offers in offers.iter() {
                let (mut pick, mut best) = (None, 0.0);
                for (window, gain) in offers {
                    let value = *gain as f64 - costs[*window];
                    if value > best {
                        (pick, best) = (Some(*window), value);
                    }
                }
                bound += best;
                picks.push(pick);
                if let Some(window) = pick {
                    wanted[window] += 1;
                    taken[window] += 1;
                }
            }
            if bound < least {
                (least, stalled) = (bound, 0);
                best_prices.clone_from(prices);
            } else {
                stalled += 1;
                if stalled % PATIENCE == 0 {
                    pace *= 0.7;
                }
            }
            if step % 32 == 0 {
                self.greedy(offers, &costs);
            }
            let hopeless = least < self.value as f64 + HALF || self.value >= self.goal;
            if hopeless || (step == 0 && self.covered(offers, &sets, prices) <= self.value) {
                prices.clone_from(&best_prices);
                return None;
            }
            // By how much each set is asked for more than once.
            let asked = |(_, set): &(usize, Vec<usize>)| f64::from(set.iter().map(|window| wanted[*window]).sum::<u32>()) - 1.0;
            let asked: Vec<f64> = sets.iter().map(asked).collect();
            if asked.iter().zip(&sets).all(|(asked, (set, _))| *asked == 0.0 || (*asked < 0.0 && prices[*set] == 0.0)) {
                // All prices are paid and nothing is asked for twice: these picks are the best there is.
                self.offer(offers, picks);
                prices.clone_from(&best_prices);
                return None;
            }
            let mix = if step == 0 { 1.0 } else { MIX };
            direction.iter_mut().zip(&asked).for_each(|(direction, asked)| *direction += mix * (asked - *direction));
            let moving = direction.iter().zip(&sets).filter(|(direction, (set, _))| **direction > 0.0 || prices[*set] > 0.0);
            let square: f64 = moving.map(|(direction, _)| direction * direction).sum();
            let length = if square > 0.0 { pace * (bound - self.value.max(0) as f64) / square } else { 0.0 };
            for (direction, (set, _)) in direction.iter().zip(&sets) {
                prices[*set] = (prices[*set] + length * direction).max(0.0);
            }
        }
        prices.clone_from(&best_prices);
        drop_dear(self.conflicts, offers, prices, (self.value + 1) as f64);
        if self.covered(offers, &sets, prices) <= self.value {
            return None;
        }
        let mut open = vec![false; count];
        offers.iter().flatten().for_each(|(window, _)| open[*window] = true);
        let contested = |window: usize| -> (u64, usize) {
            let rivals = (0..count).filter(|other| open[*other] && self.conflicts.with[window][*other]);
            let (often, many) = rivals.fold((0, 0), |(often, many), other| (often + u64::from(taken[other]), many + 1));
            (often * u64::from(taken[window]), many)
        };
        let most = (0..count).filter(|window| open[*window]).map(|window| (contested(window), window)).max();
        Some(most.filter(|((_, rivals), _)| *rivals > 0).map(|(_, window)| window))
    }

    /// The sets that have windows on offer, each once, with these windows. The others lose their prices: nobody pays
    /// them.
    fn open_sets(&self, offers: &Offers, prices: &mut [f64]) -> Vec<(usize, Vec<usize>)> {
        let mut open = vec![false; self.conflicts.with.len()];
        offers.iter().flatten().for_each(|(window, _)| open[*window] = true);
        let within = |set: &Vec<usize>| set.iter().copied().filter(|window| open[*window]).collect();
        let mut sets: Vec<(usize, Vec<usize>)> = self.conflicts.cliques.iter().map(within).enumerate().collect();
        sets.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        sets.retain(|(set, windows)| {
            if windows.is_empty() {
                prices[*set] = 0.0;
            }
            !windows.is_empty()
        });
        sets.dedup_by(|later, first| {
            let same = later.1 == first.1;
            if same {
                prices[first.0] += std::mem::take(&mut prices[later.0]);
            }
            same
        });
        sets
    }

    /// Another bound, in whole numbers, for gains that are all alike, where prices settle slowly: the windows are shared
    /// out among the sets, the dearest first, and each set serves one subject, with the best of its windows.
    fn covered(&self, offers: &Offers, sets: &[(usize, Vec<usize>)], prices: &[f64]) -> i64 {
        let mut order: Vec<usize> = (0..sets.len()).collect();
        order.sort_by(|a, b| {
            let key = |at: usize| (prices[sets[at].0], sets[at].1.len());
            let ((price_a, size_a), (price_b, size_b)) = (key(*a), key(*b));
            price_b.total_cmp(&price_a).then(size_b.cmp(&size_a))
        });
        let mut set_of = vec![None; self.conflicts.with.len()];
        for at in order {
            sets[at].1.iter().for_each(|window| {
                set_of[*window].get_or_insert(at);
            });
        }
        let by_set = |all: &Vec<(usize, i64)>| {
            let mut best: Vec<(usize, i64)> = all.iter().filter_map(|(window, gain)| Some((set_of[*window]?, *gain))).collect();
            best.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
            best.dedup_by_key(|(set, _)| *set);
            best
        };
        let merged: Offers = offers.iter().map(by_set).collect();
        worth(&merged, &assignment(&merged))
    }

    /// Takes the pairs in the order of their value at the prices, where nothing is in the way, and assigns the subjects
    /// to these windows.
    fn greedy(&mut self, offers: &Offers, costs: &[f64]) {
        let mut order: Vec<(f64, usize, usize)> = offers
            .iter()
            .enumerate()
            .flat_map(|(subject, all)| all.iter().map(move |(window, gain)| (*gain as f64 - costs[*window], subject, *window)))
            .collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut closed = vec![false; costs.len()];
        let mut served = vec![false; offers.len()];
        let mut windows = Vec::new();
        for (_, subject, window) in order {
            if !served[subject] && !closed[window] {
                served[subject] = true;
                windows.push(window);
                closed.iter_mut().zip(&self.conflicts.with[window]).for_each(|(closed, conflict)| *closed |= conflict);
                closed[window] = true;
            }
        }
        let mut used = vec![false; costs.len()];
        windows.iter().for_each(|window| used[*window] = true);
        let left = offers.iter().map(|all| all.iter().copied().filter(|(window, _)| used[*window]).collect()).collect();
        self.assign(&left);
    }

    /// Of offers without a conflict the best choice.
    fn assign(&mut self, offers: &Offers) {
        self.offer(offers, assignment(offers));
    }

    fn offer(&mut self, offers: &Offers, choice: Vec<Option<usize>>) {
        let value = worth(offers, &choice);
        if value > self.value {
            (self.value, self.choice) = (value, Some(choice));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    /// The first choice of greatest gain in the order of the subjects, then of the windows, none last.
    fn by_trying_all(conflicts: &Conflicts, offers: &Offers) -> (i64, Vec<Option<usize>>) {
        let Some(first) = offers.first() else { return (0, Vec::new()) };
        let mut best: Option<(i64, Vec<Option<usize>>)> = None;
        for (window, gain) in first.iter().map(|(window, gain)| (Some(*window), *gain)).chain([(None, 0)]) {
            let free = |other: &(usize, i64)| window.is_none_or(|w| w != other.0 && !conflicts.with[w][other.0]);
            let rest: Offers = offers[1..].iter().map(|all| all.iter().copied().filter(free).collect()).collect();
            let (value, choice) = by_trying_all(conflicts, &rest);
            if best.as_ref().is_none_or(|best| gain + value > best.0) {
                best = Some((gain + value, [vec![window], choice].concat()));
            }
        }
        best.unwrap()
    }

    #[test]
    fn it_is_the_best_of_all_choices_and_of_equals_the_first() {
        let mut draws = Random::new(2);
        for round in 0..400 {
            let (subjects, windows) = (1 + draws.below(4), 1 + draws.below(8));
            let edges: Vec<Vec<bool>> = (0..windows).map(|_| (0..windows).map(|_| draws.below(3) == 0).collect()).collect();
            let conflicts = Conflicts::new(windows, |a, b| edges[a.min(b)][a.max(b)]);
            // From nearly all equal to nearly all different; every third set of offers is the same for all.
            let levels = [2, 4, 1_000_000_000][round % 3];
            let mut draw = || -> Vec<(usize, i64)> {
                (0..windows).map(|w| (w, draws.below(levels) as i64)).filter(|(_, gain)| *gain > 0).collect()
            };
            let shared = draw();
            let offers: Offers = (0..subjects).map(|_| if round % 9 < 3 { shared.clone() } else { draw() }).collect();
            let (value, choice) = by_trying_all(&conflicts, &offers);
            let found = best_choice(&conflicts, &offers);
            assert_eq!((worth(&offers, &found), &found), (value, &choice), "round {round}: {offers:?}");
        }
    }
}
