//! What one does without msdata, in a process that waits for its turns.

use super::{python, script, threads};
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A script that does what a line says and answers with seconds.
pub struct Peer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    vectors: PathBuf,
}

/// Images of a batch of the Python loop. One at a time it is slower still.
const BATCH: &str = "8";

impl Peer {
    /// benches/peer.py: a loop with Pillow and onnxruntime, and its parts.
    pub fn start(lab: &Path, encoder: &Path, images: &[PathBuf]) -> Peer {
        let vectors = lab.join("vectors.f32");
        let mut command = python();
        command.arg(script("peer.py")).arg(encoder.join("model.onnx")).args([BATCH, &threads().to_string()]);
        command.arg(list(lab, images)).arg(&vectors);
        Peer::run(command, vectors)
    }

    /// benches/transformers_peer.py, where a Python has what it needs; else why it is left out.
    pub fn transformers(lab: &Path, images: &[PathBuf]) -> Result<Peer, String> {
        let python = || std::env::var_os("MSDATA_TORCH_PYTHON").map_or_else(python, Command::new);
        let there = python().args(["-c", "import torch, transformers"]).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            return Err("torch and transformers are not installed (`make bench-torch`)".into());
        }
        let mut command = python();
        command.arg(script("transformers_peer.py")).arg(threads().to_string()).arg(list(lab, images));
        Ok(Peer::run(command, PathBuf::new()))
    }

    fn run(mut command: Command, vectors: PathBuf) -> Peer {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (ask, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Peer { child, ask, answers, vectors }
    }

    pub fn seconds(&mut self, command: &str) -> f64 {
        writeln!(self.ask, "{command}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().parse().unwrap_or_else(|_| panic!("{command}: `{line}`"))
    }

    /// What its last loop computed.
    pub fn vectors(&self) -> Vec<Vec<f32>> {
        let bytes = fs::read(&self.vectors).unwrap();
        let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        numbers.chunks_exact(384).map(<[f32]>::to_vec).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It would end with its input; nothing of it is needed any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn list(lab: &Path, images: &[PathBuf]) -> PathBuf {
    let list = lab.join("images.txt");
    fs::write(&list, images.iter().map(|path| format!("{}\n", path.display())).collect::<String>()).unwrap();
    list
}
