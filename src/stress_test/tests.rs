//! The sentences and the plan, read by machine. They were read by eye, too.

use super::*;
use crate::vocabulary::{SubjectId, SubjectKind};

fn pool(subjects: &[(&str, &str)]) -> Vec<PoolSubject> {
    let of = |(i, (kind, label)): (usize, &(&str, &str))| PoolSubject {
        id: SubjectId::new(format!("S{i:03}")).unwrap(),
        label: (*label).to_owned(),
        kind: kind.parse().ok(),
    };
    subjects.iter().enumerate().map(of).collect()
}

/// Labels that are hard to get right: initials, plurals, masses, names, phrases, one within another, long ones.
fn mixed() -> Vec<PoolSubject> {
    let humans = ["man", "man", "man", "old man", "Superman", "Asian woman", "girl", "little girl", "twins"];
    let animals = ["dog", "dog", "white dog", "owl", "butterfly", "unicorn", "Siamese cat", "geese", "seal"];
    let objects = [
        "hourglass",
        "pink sunglasses",
        "MRI scanner",
        "rc car",
        "bread",
        "flowers",
        "bowl of berries",
        "t-shirt",
        "can",
        "the Eiffel Tower",
        "grey sloth plushie",
        "dragon remote",
        "boots",
        "one-eyed monster toy",
    ];
    let unknown = ["clock", "umbrella"];
    let kinds = [("human", &humans[..]), ("animal", &animals[..]), ("object", &objects[..]), ("unknown", &unknown[..])];
    pool(&kinds.iter().flat_map(|(kind, labels)| labels.iter().map(|l| (*kind, *l))).collect::<Vec<_>>())
}

fn only(kind: SubjectKind) -> Vec<PoolSubject> {
    mixed().into_iter().filter(|c| c.kind == Some(kind)).collect()
}

fn shape(counts: &[usize]) -> Design {
    Design { counts: counts.to_vec(), ..Design::default() }
}

#[test]
fn every_cell_has_five_sentences() {
    let sentences = Sentences::own().unwrap();
    assert_eq!(sentences.counts().collect::<Vec<_>>(), [2, 4, 6, 8, 10]);
    for count in sentences.counts() {
        for scene in SceneType::ALL {
            assert_eq!(sentences.of(count, *scene).len(), 5, "{count} {scene}");
        }
    }
}

#[test]
fn sentences_are_well_formed_whoever_is_in_them() {
    let pools = [
        (mixed(), vec![2, 4, 6, 8, 10]),
        (only(SubjectKind::Human), vec![2, 4, 6]),
        (only(SubjectKind::Animal), vec![2, 4, 6, 8]),
        (only(SubjectKind::Object), vec![2, 4, 6, 8, 10]),
    ];
    let counter = TokenCounter::default();
    for (pool, counts) in pools {
        for random_seed in 0..10 {
            let bench = build(pool.clone(), &Design { random_seed, ..shape(&counts) }).unwrap();
            assert_eq!(bench.prompts.len(), 15 * counts.len());
            for prompt in &bench.prompts {
                check(&prompt.text, prompt, &pool);
                let tokens = counter.count(&prompt.text);
                assert!(tokens <= MAX_TOKENS, "{tokens} tokens: {}", prompt.text);
            }
            let texts: std::collections::HashSet<&str> = bench.prompts.iter().map(|p| p.text.as_str()).collect();
            assert_eq!(texts.len(), bench.prompts.len(), "no sentence comes twice");
        }
    }
}

fn check(text: &str, prompt: &Prompt, pool: &[PoolSubject]) {
    assert!(text.starts_with(char::is_uppercase) && text.ends_with('.'), "{text}");
    for wrong in
        ["  ", " .", " ,", ",,", "..", "{", "}", "|", " a a", " a e", " a i", " a hour", " an uni", " a umb", "a the", "some the"]
    {
        assert!(!text.contains(wrong), "{wrong:?} in {text}");
    }
    for wrong in ["flowers is", "flowers stands", "flowers rests", "geese is", "geese sits", "twins stands"] {
        assert!(!text.contains(wrong), "{wrong:?} in {text}");
    }
    let labels: Vec<&str> = prompt.subjects.iter().map(|id| pool.iter().find(|c| c.id == *id).unwrap().label.as_str()).collect();
    let places: Vec<usize> = labels.iter().map(|l| text.to_lowercase().find(&l.to_lowercase()).expect(text)).collect();
    let distinct: std::collections::HashSet<String> = labels.iter().map(|l| l.to_lowercase()).collect();
    assert_eq!(distinct.len(), labels.len(), "{text}");
    // Nested labels (`man`, `old man`) may be found within each other: only then may the order be another.
    let nested = labels.iter().any(|a| labels.iter().any(|b| a != b && a.contains(b)));
    assert!(nested || places.is_sorted(), "subjects are listed in the order of the text: {text}");
    let all = Labels::new(pool.iter().map(|c| c.label.as_str()));
    let named = all.named(text);
    for (i, candidate) in pool.iter().enumerate().filter(|(i, _)| all.first_equal(*i) == *i) {
        let listed = usize::from(labels.contains(&candidate.label.as_str()));
        assert_eq!(named.count(i), listed, "{} in {text}", candidate.label);
    }
}

#[test]
fn templates_name_nothing_but_scenery() {
    // What people, animals and objects a benchmark may well hold: none of them may be in our own words.
    let nouns = [
        "man",
        "woman",
        "boy",
        "girl",
        "person",
        "child",
        "people",
        "crowd",
        "dog",
        "cat",
        "bird",
        "horse",
        "cow",
        "car",
        "bus",
        "bicycle",
        "boat",
        "bench",
        "chair",
        "armchair",
        "table",
        "sofa",
        "bed",
        "box",
        "bag",
        "backpack",
        "book",
        "bottle",
        "bowl",
        "can",
        "candle",
        "clock",
        "cup",
        "guitar",
        "hat",
        "lamp",
        "camera",
        "mirror",
        "phone",
        "plant",
        "flower",
        "tree",
        "toy",
        "umbrella",
        "vase",
        "window",
        "door",
        "curtain",
        "carpet",
        "shelf",
        "painting",
        "picture frame",
        "statue",
        "fountain",
        "ball",
        "stone",
        "rock",
        "shoe",
        "boot",
    ];
    let labels = Labels::new(nouns);
    let sentences = include_str!("../../dataset/sentences.toml").split("[2]").nth(1).unwrap();
    let named = labels.named(sentences);
    let found: Vec<&str> = named.labels().map(|i| nouns[i]).filter(|n| *n != "stone").collect(); // stone steps
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_same_pool_gives_the_same_prompts_in_whatever_order() {
    let bench = build(mixed(), &Design::default()).unwrap();
    let mut reversed = mixed();
    reversed.reverse();
    assert_eq!(build(reversed, &Design::default()).unwrap(), bench);
    let other = build(mixed(), &Design { random_seed: 1, ..Design::default() }).unwrap();
    assert_ne!(other.prompts, bench.prompts);
}

fn uses(pool: &[PoolSubject], bench: &StressTest) -> Vec<usize> {
    pool.iter().map(|c| bench.prompts.iter().filter(|p| p.subjects.contains(&c.id)).count()).collect()
}

#[test]
fn every_subject_about_equally_often() {
    // Ten of forty subjects share a label, as in pools of reference photographs.
    let mut subjects = vec![("human", "man"); 10];
    let others: Vec<String> = (0..30).map(|i| format!("thing n{i}")).collect();
    subjects.extend(others.iter().map(|l| ("object", l.as_str())));
    let pool = pool(&subjects);
    let bench = build(pool.clone(), &Design::default()).unwrap();
    let uses = uses(&pool, &bench);
    assert_eq!(uses.iter().sum::<usize>(), 450);
    let (men, things) = uses.split_at(10);
    assert!(men.iter().all(|n| (6..=8).contains(n)), "{men:?}");
    assert!(things.iter().all(|n| (12..=13).contains(n)), "{things:?}");
    assert_eq!(bench.warnings, [""; 0]);
}

#[test]
fn what_the_pool_does_not_allow_is_said() {
    // Two subjects can only be together again and again; a label within another cannot be avoided.
    let two = build(pool(&[("human", "man"), ("human", "old man")]), &shape(&[2])).unwrap();
    assert_eq!(
        two.warnings,
        [
            "15 prompts have a label within another, such as `man` in `old man`: the pool has too few other labels",
            "14 prompts have the same subjects as another: the pool has no other sets",
        ]
    );
    // One label of twelve subjects, and one other: the other is in every prompt.
    let mut subjects = vec![("animal", "dog"); 12];
    subjects.push(("animal", "cat"));
    let uneven = build(pool(&subjects), &shape(&[2])).unwrap();
    assert_eq!(uneven.warnings[0], "3 prompts have the same subjects as another: the pool has no other sets");
    let balance = &uneven.warnings[1];
    assert!(balance.starts_with("13 animal subjects, each in 1 (S0") && balance.contains("to 15 (S012) prompts"), "{balance}");
    let flat = build(pool(&[("unknown", "man"), ("animal", "dog")]), &shape(&[2])).unwrap();
    assert_eq!(flat.warnings[1], "1 of 2 subjects have no kind (human, animal, object); sentences treat them as objects");
    // Words of our own that are labels: other sentences are taken, as long as there are any.
    let beach = build(pool(&[("object", "lawn"), ("object", "cup"), ("object", "vase")]), &shape(&[2])).unwrap();
    let strays = beach.prompts.iter().filter(|p| p.text.matches(" lawn").count() > usize::from(p.text.contains("a lawn")));
    assert_eq!(strays.map(|p| p.text.as_str()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn too_long_sentences_are_avoided_and_else_reported() {
    let long: Vec<String> = (0..10).map(|i| format!("hand-painted porcelain figurine of a dancing number{i}")).collect();
    let bench = build(pool(&long.iter().map(|l| ("object", l.as_str())).collect::<Vec<_>>()), &shape(&[4, 10])).unwrap();
    let counter = TokenCounter::default();
    let over: Vec<&Prompt> = bench.prompts.iter().filter(|p| counter.count(&p.text) > MAX_TOKENS).collect();
    assert!(over.iter().all(|p| p.subjects.len() == 10) && over.len() == 15, "{}", over.len());
    assert!(
        bench.warnings[0].starts_with("prompt 10_neutral_01 has 1")
            && bench.warnings[0].ends_with(" is cut (15 prompts like it)"),
        "{:?}",
        bench.warnings[0]
    );
}

#[test]
fn a_limit_a_cell_is_kept() {
    let pool = mixed();
    let bench = build(pool.clone(), &Design { max_per_cell: Some(2), ..Design::default() }).unwrap();
    for cell in bench.prompts.chunks(5) {
        for candidate in &pool {
            assert!(cell.iter().filter(|p| p.subjects.contains(&candidate.id)).count() <= 2);
        }
    }
    // Just enough: ten places of five prompts, and exactly two prompts for each of five subjects.
    let five = &pool[9..14];
    let tight = build(five.to_vec(), &Design { max_per_cell: Some(2), ..shape(&[2]) });
    assert_eq!(tight.unwrap().prompts.len(), 15);
}

#[test]
fn pools_that_are_too_small_are_refused() {
    let refusal = |pool: Vec<PoolSubject>, shape: Design| build(pool, &shape).unwrap_err().to_string();
    assert_eq!(refusal(vec![], Design::default()), "there is no subject to make prompts of");
    let three = pool(&[("human", "man"), ("human", "Man"), ("animal", "dog")]);
    assert_eq!(refusal(three.clone(), Design::default()), "the pool has 3 subjects; a prompt of 10 needs as many");
    let four = [three.clone(), pool(&[("human", "man")])].concat();
    assert_eq!(
        refusal(four, shape(&[2, 4])),
        "the 4 subjects of the pool have only 2 labels, and subjects with one label never share a prompt; a prompt of 4 needs as many"
    );
    assert_eq!(
        refusal(three.clone(), Design { max_per_cell: Some(2), ..shape(&[2]) }),
        "5 prompts of 2 subjects have 10 places; with --max-per-cell 2 the pool fills 6"
    );
    assert_eq!(refusal(three.clone(), shape(&[3])), "there are no sentences for 3 subjects, only for 2, 4, 6, 8, 10");
    assert_eq!(refusal(three.clone(), shape(&[2, 2])), "the subject count 2 is named twice");
    assert!(refusal(three.clone(), shape(&[])).starts_with("a stress test has at least one subject count"));
    assert!(refusal(three, Design { per_cell: 0, ..shape(&[2]) }).starts_with("a stress test has at least"));
}
