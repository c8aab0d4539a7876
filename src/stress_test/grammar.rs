//! A label as English: its article, and whether it is one or many.

/// How a label takes its place in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NounPhrase {
    /// The label with what stands before it.
    pub text: String,
    /// Whether its verb is plural.
    pub plural: bool,
}

/// Words that already determine what follows.
const DETERMINERS: &[&str] = &["a", "an", "the", "some", "my", "his", "her", "our", "their", "this", "that", "one"];

/// The same, of many.
const NUMERALS: &[&str] = &["two", "three", "four", "five", "six", "several", "many", "these", "those"];

/// Words before which the noun of a phrase stands: a *bowl* of berries.
const LINKS: &[&str] = &["of", "with", "in", "on", "from", "for", "without"];

/// What comes in pairs.
const PAIRS: &[&str] = &[
    "binoculars",
    "boots",
    "chopsticks",
    "cleats",
    "clogs",
    "dungarees",
    "earbuds",
    "earphones",
    "earrings",
    "eyeglasses",
    "flippers",
    "flops",
    "glasses",
    "gloves",
    "goggles",
    "headphones",
    "heels",
    "jeans",
    "leggings",
    "loafers",
    "mittens",
    "moccasins",
    "overalls",
    "pajamas",
    "pants",
    "pliers",
    "pyjamas",
    "sandals",
    "scissors",
    "shades",
    "shears",
    "shoes",
    "shorts",
    "skates",
    "skis",
    "slippers",
    "sneakers",
    "socks",
    "spectacles",
    "stockings",
    "sunglasses",
    "tights",
    "tongs",
    "trainers",
    "trousers",
    "tweezers",
];

/// What has no plural.
const MASSES: &[&str] = &[
    "bread",
    "broccoli",
    "butter",
    "cheese",
    "clothing",
    "cutlery",
    "fruit",
    "furniture",
    "grass",
    "hay",
    "honey",
    "jewellery",
    "jewelry",
    "juice",
    "luggage",
    "meat",
    "milk",
    "money",
    "popcorn",
    "rice",
    "sand",
    "silverware",
    "snow",
    "spaghetti",
    "sugar",
    "tinsel",
    "toast",
    "water",
    "wool",
    "yarn",
];

/// Plurals that do not end in s.
const PLURALS: &[&str] = &["children", "feet", "geese", "men", "mice", "oxen", "people", "teeth", "women"];

/// Singulars that end in s, besides those in -ss, -us and -is.
const SINGULARS: &[&str] =
    &["atlas", "canvas", "christmas", "cosmos", "gas", "lens", "pancreas", "rhinoceros", "series", "species", "thermos", "xmas"];

/// A label as the subject or object of a sentence, first mentioned: *a man*, *an hourglass*, *some bread*, *a pair of
/// boots*; a name, all of whose words are capitalised, stands alone, and so does a label with an article of its own.
pub fn noun_phrase(label: &str) -> NounPhrase {
    let words: Vec<&str> = label.split_whitespace().collect();
    let first = words.first().map(|w| w.to_lowercase()).unwrap_or_default();
    let head = head_of(&words).to_lowercase();
    let last = head.rsplit('-').next().unwrap_or(&head);
    let alone = |plural| NounPhrase { text: label.to_owned(), plural };
    let with = |before: &str, plural| NounPhrase { text: format!("{before} {label}"), plural };
    if is_name(&words) {
        alone(false)
    } else if NUMERALS.contains(&first.as_str()) {
        alone(true)
    } else if words.len() > 1 && DETERMINERS.contains(&first.as_str()) {
        alone(is_plural(last))
    } else if PAIRS.contains(&last) {
        with("a pair of", false)
    } else if MASSES.contains(&last) {
        with("some", false)
    } else if is_plural(last) {
        with("some", true)
    } else {
        with(article(label), false)
    }
}

/// The word that the others describe.
fn head_of<'a>(words: &[&'a str]) -> &'a str {
    let before_link = words.iter().skip(1).position(|w| LINKS.contains(&w.to_lowercase().as_str()));
    match before_link {
        Some(at) => words[at],
        None => words.last().copied().unwrap_or_default(),
    }
}

/// *Mona Lisa*, *Superman*: all words begin with a capital letter, and not all letters are capitals (*TV*).
fn is_name(words: &[&str]) -> bool {
    // A letter by itself is none: T-shirt, X-ray.
    let capitalised = |w: &&str| w.starts_with(char::is_uppercase) && w.chars().nth(1) != Some('-');
    !words.is_empty() && words.iter().all(capitalised) && words.iter().any(|w| w.contains(char::is_lowercase))
}

fn is_plural(word: &str) -> bool {
    PLURALS.contains(&word)
        || (word.len() > 3
            && word.ends_with('s')
            && !["ss", "us", "is"].iter().any(|e| word.ends_with(e))
            && !SINGULARS.contains(&word))
}

/// *a* or *an*, by the sound that follows.
fn article(label: &str) -> &'static str {
    let word: String = label.chars().take_while(|c| c.is_alphanumeric()).collect();
    let lower = word.to_lowercase();
    let letters = word.chars().count();
    // Initials are spelt out: an MRI scanner, a UFO, an rc car, an X-ray, a t-shirt. So many capitals are seldom a word.
    let capitals = word.chars().all(|c| c.is_ascii_uppercase()) && lower != "lego";
    let no_vowel = !lower.contains(['a', 'e', 'i', 'o', 'u', 'y']) && lower.is_ascii();
    let spelt = letters == 1 || ((2..=4).contains(&letters) && (capitals || no_vowel));
    let vowel_sound = if spelt && !lower.starts_with(|c: char| c.is_ascii_digit()) {
        lower.starts_with(['a', 'e', 'f', 'h', 'i', 'l', 'm', 'n', 'o', 'r', 's', 'x'])
    } else if lower.starts_with(|c: char| c.is_ascii_digit()) {
        let number = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
        number.starts_with('8') || ["11", "18"].contains(&number)
    } else {
        let silent_h = ["hour", "honest", "honor", "honour", "heir"].iter().any(|p| lower.starts_with(p));
        let sounds_you = ["eu", "ewe", "ufo", "uku", "usb", "use", "ute", "uran"].iter().any(|p| lower.starts_with(p))
            || (lower.starts_with("uni") && !["unin", "unim", "unid"].iter().any(|p| lower.starts_with(p)));
        let sounds_won = lower == "one" || lower == "once" || lower.starts_with("oui");
        let vowel =
            lower.starts_with(['a', 'e', 'i', 'o', 'u', 'á', 'à', 'â', 'å', 'ä', 'é', 'è', 'ê', 'í', 'ó', 'ö', 'ø', 'ú', 'ü']);
        silent_h || (vowel && !sounds_you && !sounds_won)
    };
    if vowel_sound { "an" } else { "a" }
}

/// A verb in the third person singular, or what it is in the plural: *stands*, *is*, *touches*; words that follow it
/// stay.
pub fn agreeing(verb: &str, plural: bool) -> String {
    if !plural {
        return verb.to_owned();
    }
    let (word, rest) = verb.split_once(' ').map_or((verb, String::new()), |(word, rest)| (word, format!(" {rest}")));
    let many = match word {
        "is" => "are",
        "has" => "have",
        _ => ["shes", "ches", "sses", "xes"]
            .iter()
            .find(|e| word.ends_with(**e))
            .and_then(|_| word.strip_suffix("es"))
            .or_else(|| word.strip_suffix('s'))
            .unwrap_or(word),
    };
    format!("{many}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_go_by_sound() {
        let phrases = [
            "an hourglass",
            "a unicorn",
            "an umbrella",
            "a one-eyed monster",
            "an MRI scanner",
            "a UFO",
            "an SUV",
            "a TV",
            "an X-ray",
            "a t-shirt",
            "an e-reader",
            "an 8-ball",
            "an 11th grader",
            "a 3D printer",
            "a European robin",
            "a ukulele",
            "an unidentified bird",
            "a Siamese cat",
            "an old man",
            "a herb garden",
            "an Asian woman",
            "a Ouija board",
            "a utensil",
            "an urn",
            "a USB stick",
            "an honest man",
            "a LEGO robot",
            "an rc car",
            "a tv stand",
            "an écru scarf",
        ];
        for phrase in phrases {
            let label = phrase.split_once(' ').unwrap().1;
            assert_eq!(noun_phrase(label), NounPhrase { text: phrase.to_owned(), plural: false });
        }
    }

    #[test]
    fn pairs_masses_plurals_and_names() {
        let singular = |label: &str| (!noun_phrase(label).plural).then(|| noun_phrase(label).text).unwrap();
        let plural = |label: &str| noun_phrase(label).plural.then(|| noun_phrase(label).text).unwrap();
        assert_eq!(singular("pink sunglasses"), "a pair of pink sunglasses");
        assert_eq!(singular("fancy boot"), "a fancy boot");
        assert_eq!(singular("flip-flops"), "a pair of flip-flops");
        assert_eq!(singular("milk"), "some milk");
        assert_eq!(singular("bowl of berries"), "a bowl of berries");
        assert_eq!(singular("cactus"), "a cactus");
        assert_eq!(singular("dress"), "a dress");
        assert_eq!(singular("Superman"), "Superman");
        assert_eq!(singular("Mona Lisa"), "Mona Lisa");
        assert_eq!(singular("the Eiffel Tower"), "the Eiffel Tower");
        assert_eq!(singular("an owl"), "an owl");
        assert_eq!(plural("flowers"), "some flowers");
        assert_eq!(plural("old people"), "some old people");
        assert_eq!(plural("two cats"), "two cats");
    }

    #[test]
    fn verbs_agree() {
        let many: Vec<String> = ["stands", "is half hidden", "touches", "presses against", "hides", "has"]
            .iter()
            .map(|v| agreeing(v, true))
            .collect();
        assert_eq!(many, ["stand", "are half hidden", "touch", "press against", "hide", "have"]);
        assert_eq!(agreeing("is propped against", false), "is propped against");
    }
}
