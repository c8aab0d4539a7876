//! A command line with places for a job: `python run.py --prompt {prompt} --seed {seed} --save {output}`.

use super::jobs::Job;
use crate::error::{Error, Result};
use crate::text::quote;
use regex::Regex;

/// Placeholders that one value fills, wherever they appear.
const VALUES: &[&str] = &["prompt", "prompt_id", "seed", "scene_type", "output", "references_json", "captions_json", "job_json"];

/// Placeholders that are whole arguments and become one argument per subject.
const LISTS: &[&str] = &["references", "captions"];

/// The placeholder for the job list, in a command for many jobs.
const JOBS: &str = "jobs";

/// A command, split into words, and its placeholders.
#[derive(Debug, Clone)]
pub struct Template {
    words: Vec<String>,
    /// For `sh -c`: one text, in which values are quoted.
    shell: bool,
    places: Regex,
}

/// A command ready to be started: the program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled(pub Vec<String>);

impl std::fmt::Display for Filled {
    /// Returns it as a user would type it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match shlex::try_join(self.0.iter().map(String::as_str)) {
            Ok(text) => f.write_str(&text),
            Err(_) => f.write_str(&self.0.join(" ")),
        }
    }
}

impl Template {
    /// Parses a command that makes one image.
    ///
    /// # Errors
    /// The command is empty, or has unbalanced quotes, an unknown placeholder, or none for the image's path.
    pub fn for_one(command: &str, shell: bool) -> Result<Template> {
        let template = Template::parse(command, shell, &[VALUES, LISTS].concat())?;
        if !template.has("output") && !template.has("job_json") {
            let hint = "put `{output}` where the generator takes the path of the image that it writes";
            return Err(Error::request(format!("command {} has no place `{{output}}`", quote(command)), hint));
        }
        Ok(template)
    }

    /// Parses a command that makes many images from a job list.
    ///
    /// # Errors
    /// The same as for [`Template::for_one`], but the required placeholder is `{jobs}`.
    pub fn for_many(command: &str, shell: bool) -> Result<Template> {
        let template = Template::parse(command, shell, &[JOBS])?;
        if !template.has(JOBS) {
            let hint = "put `{jobs}` where the generator takes the path of a job list";
            return Err(Error::request(format!("command {} has no place `{{jobs}}`", quote(command)), hint));
        }
        Ok(template)
    }

    fn parse(command: &str, shell: bool, known: &[&str]) -> Result<Template> {
        let listed = || known.iter().map(|name| format!("`{{{name}}}`")).collect::<Vec<_>>().join(", ");
        let refuse = |reason: String| {
            Error::request(format!("command {}: {reason}", quote(command)), format!("its places are {}", listed()))
        };
        let places = Regex::new(r"\{([a-z_]+)\}").map_err(|e| refuse(e.to_string()))?;
        let words = if shell {
            vec![command.to_owned()]
        } else {
            shlex::split(command).ok_or_else(|| refuse("a quote is not closed".into()))?
        };
        if words.iter().all(|w| w.trim().is_empty()) {
            return Err(refuse("it is empty".into()));
        }
        for word in &words {
            for found in places.captures_iter(word) {
                let name = &found[1];
                if !known.contains(&name) {
                    return Err(refuse(format!("there is no place {}", quote(&found[0]))));
                }
                if !shell && LISTS.contains(&name) && word != &found[0] {
                    return Err(refuse(format!("`{{{name}}}` becomes several arguments, so it must be an argument by itself")));
                }
            }
        }
        Ok(Template { words, shell, places })
    }

    fn has(&self, name: &str) -> bool {
        self.words.iter().any(|word| self.places.captures_iter(word).any(|found| &found[1] == name))
    }

    /// The command for a job. `{references}` and `{captions}` have one argument per subject; of its references, the first.
    pub fn fill(&self, job: &Job) -> Filled {
        self.filled(|name| match name {
            "references" => job.subjects.iter().filter_map(|s| s.references.first().cloned()).collect(),
            "captions" => job.subjects.iter().map(|s| s.caption.clone().unwrap_or_else(|| s.label.clone())).collect(),
            _ => vec![value(job, name)],
        })
    }

    /// Returns the command for a job list.
    pub fn fill_jobs(&self, list: &str) -> Filled {
        self.filled(|_| vec![list.to_owned()])
    }

    fn filled(&self, values: impl Fn(&str) -> Vec<String>) -> Filled {
        if self.shell {
            let quoted =
                |found: &regex::Captures| values(&found[1]).iter().map(|v| shell_quoted(v)).collect::<Vec<_>>().join(" ");
            return Filled(vec!["sh".into(), "-c".into(), self.places.replace_all(&self.words[0], quoted).into_owned()]);
        }
        let word = |word: &String| match self.places.captures(word) {
            Some(found) if &found[0] == word => values(&found[1]),
            _ => vec![self.places.replace_all(word, |found: &regex::Captures| values(&found[1]).concat()).into_owned()],
        };
        Filled(self.words.iter().flat_map(word).collect())
    }
}

fn value(job: &Job, name: &str) -> String {
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    match name {
        "prompt" => job.prompt.clone(),
        "prompt_id" => job.prompt_id.clone(),
        "seed" => job.seed.to_string(),
        "scene_type" => job.scene_type.to_string(),
        "output" => job.output.clone(),
        "references_json" => json(serde_json::to_string(&job.subjects.iter().map(|s| &s.references).collect::<Vec<_>>())),
        "captions_json" => {
            json(serde_json::to_string(&job.subjects.iter().map(|s| s.caption.as_ref().unwrap_or(&s.label)).collect::<Vec<_>>()))
        }
        _ => json(serde_json::to_string(job)),
    }
}

/// A value as one word of a shell command; a NUL, which no argument can have, is left out.
fn shell_quoted(value: &str) -> String {
    let value = value.replace('\0', "");
    shlex::try_quote(&value).map(|quoted| quoted.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::jobs::JobSubject;
    use crate::vocabulary::SceneType;

    fn job() -> Job {
        let subject = |label: &str, caption: Option<&str>| JobSubject {
            subject_id: label.into(),
            label: label.into(),
            kind: None,
            caption: caption.map(Into::into),
            references: vec![format!("{label}.jpg"), format!("{label}_2.jpg")],
        };
        Job {
            prompt_id: "p1".into(),
            prompt: "a cat's \"$HOME\"; {seed}".into(),
            scene_type: SceneType::Neutral,
            seed: 7,
            subjects: vec![subject("cat", Some("a cat")), subject("red dog", None)],
            output: "o.png".into(),
        }
    }

    #[test]
    fn places_are_filled_without_a_shell() {
        let template =
            Template::for_one("run 'my script.py' -p {prompt} --s={seed} -r {references} -c {captions} {output}", false).unwrap();
        let words = [
            "run",
            "my script.py",
            "-p",
            "a cat's \"$HOME\"; {seed}",
            "--s=7",
            "-r",
            "cat.jpg",
            "red dog.jpg",
            "-c",
            "a cat",
            "red dog",
            "o.png",
        ];
        assert_eq!(template.fill(&job()).0, words);
    }

    #[test]
    fn a_shell_sees_values_as_words() {
        let template = Template::for_one("printf %s {prompt} > {output}; echo {references}", true).unwrap();
        let Filled(words) = template.fill(&job());
        assert_eq!(words[..2], ["sh", "-c"]);
        let back = shlex::split(words[2].split(" > ").next().unwrap()).unwrap();
        assert_eq!(back, ["printf", "%s", "a cat's \"$HOME\"; {seed}"]);
        assert!(words[2].ends_with("echo cat.jpg 'red dog.jpg'"), "{}", words[2]);
    }

    #[test]
    fn commands_that_cannot_work_are_refused() {
        for command in ["", "run {prompt}", "run {output} {promt}", "run 'x {output}", "run {output} a{references}"] {
            assert!(Template::for_one(command, false).is_err(), "{command}");
        }
        assert!(Template::for_many("run {output}", false).is_err());
        assert_eq!(Template::for_many("run --jobs={jobs}", false).unwrap().fill_jobs("j.jsonl").0, ["run", "--jobs=j.jsonl"]);
    }
}
