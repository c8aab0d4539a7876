//! `init` makes a data set or leaves none.

use crate::support::chance::number;
use crate::support::lab::{Lab, err, out};
use msdata::Dataset;
use msdata::dataset::Removal;
use std::fs;
use std::process::Command;

/// Fails the n-th call of a kind on a file whose path holds a word, and all later ones.
const FAULTS: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
static int count;
static int ours(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, "/set/") || strstr(path, "/set") == path + n - 4;
}
static int fails(const char *call) {
    const char *kind = getenv("FAIL_CALL");
    if (!kind || strcmp(kind, call) || ++count < atoi(getenv("FAIL_AT"))) return 0;
    FILE *hit = fopen(getenv("FAIL_HIT"), "w");
    if (hit) fclose(hit);
    errno = strcmp(getenv("FAIL_WITH"), "EIO") ? ENOSPC : EIO;
    return 1;
}
static int half(void) { return !strcmp(getenv("FAIL_WITH"), "SHORT") && count == atoi(getenv("FAIL_AT")); }
#define NEXT(name) dlsym(RTLD_NEXT, name)
ssize_t write(int fd, const void *b, size_t n) {
    ssize_t (*next)(int, const void *, size_t) = NEXT("write");
    if (fd > 2 && ours(fd) && fails("write")) return half() ? next(fd, b, n / 2) : -1;
    return next(fd, b, n);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) {
    ssize_t (*next)(int, const void *, size_t, off64_t) = NEXT("pwrite64");
    if (ours(fd) && fails("write")) return half() ? next(fd, b, n / 2, at) : -1;
    return next(fd, b, n, at);
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { return pwrite64(fd, b, n, at); }
int fsync(int fd) {
    int (*next)(int) = NEXT("fsync");
    return ours(fd) && fails("fsync") ? -1 : next(fd);
}
int fdatasync(int fd) {
    int (*next)(int) = NEXT("fdatasync");
    return ours(fd) && fails("fsync") ? -1 : next(fd);
}
int rename(const char *a, const char *b) {
    int (*next)(const char *, const char *) = NEXT("rename");
    return fails("rename") ? -1 : next(a, b);
}
int ftruncate64(int fd, off64_t n) {
    int (*next)(int, off64_t) = NEXT("ftruncate64");
    return ours(fd) && fails("truncate") ? -1 : next(fd, n);
}
int ftruncate(int fd, off_t n) { return ftruncate64(fd, n); }
"#;

#[cfg(target_os = "linux")]
#[test]
fn an_init_that_fails_anywhere_leaves_no_data_set_and_the_next_one_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library, hit) = (dir.path().join("faults.c"), dir.path().join("faults.so"), dir.path().join("hit"));
    fs::write(&source, FAULTS).unwrap();
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl").output().unwrap();
    assert!(compiled.status.success(), "{}", err(&compiled));
    let set = dir.path().join("set");
    let msdata = |verb: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msdata"));
        command.args([verb, "-d", "set"]).current_dir(dir.path()).env_remove("MSDATA_DATASET");
        command
    };
    let mut points = 0;
    for call in ["write", "fsync", "rename", "truncate"] {
        for with in ["ENOSPC", "EIO", "SHORT"] {
            if with == "SHORT" && call != "write" {
                continue;
            }
            // Writes are many, and alike: not each of them every time.
            let step = if call == "write" { number("MSDATA_INIT_STEP", 7) as usize } else { 1 };
            for at in (1..).step_by(step) {
                let _ = (fs::remove_dir_all(&set), fs::remove_file(&hit));
                let faulty = msdata("init")
                    .env("LD_PRELOAD", &library)
                    .envs([("FAIL_CALL", call), ("FAIL_WITH", with), ("FAIL_AT", &at.to_string())])
                    .env("FAIL_HIT", &hit)
                    .output()
                    .unwrap();
                let at = format!("{call} {at} {with}");
                if !hit.exists() {
                    assert_eq!(faulty.status.code(), Some(0), "{at}: {}", err(&faulty));
                    break;
                }
                points += 1;
                if faulty.status.code() != Some(0) {
                    assert_eq!(faulty.status.code(), Some(1), "{at}: {}", err(&faulty));
                    assert!(!set.join("catalog.sqlite").exists(), "{at}: {}", err(&faulty));
                    let again = msdata("init").output().unwrap();
                    assert_eq!(again.status.code(), Some(0), "{at}: {}", err(&again));
                }
                let verify = msdata("verify").arg("--deep").output().unwrap();
                assert_eq!(verify.status.code(), Some(0), "{at}: {}{}", out(&verify), err(&verify));
                assert!(!out(&verify).contains("note"), "{at}: {}", out(&verify));
            }
        }
    }
    assert!(points > 40, "{points} points were tried");
}

#[test]
fn init_takes_no_rows_from_the_log_of_another_catalog() {
    let lab = Lab::sound();
    // A log with rows, as a kill leaves it: copied while the writer is open.
    let data = Dataset::open_to_write(&lab.data()).unwrap();
    drop(Dataset::open_to_write(&lab.path("elsewhere")).err());
    let mut data = data;
    data.remove(&Removal::Model("alpha".parse().unwrap())).unwrap();
    fs::create_dir(lab.path("orphan")).unwrap();
    fs::copy(lab.data().join("catalog.sqlite-wal"), lab.path("orphan/catalog.sqlite-wal")).unwrap();
    drop(data);
    let refused = lab.run(&["init", "orphan"]);
    assert_eq!((refused.status.code(), out(&refused)), (Some(1), String::new()));
    assert!(err(&refused).contains("orphan/catalog.sqlite-wal is the log of a catalog that is gone"), "{}", err(&refused));
    assert!(!lab.path("orphan/catalog.sqlite").exists());
    let advice = err(&refused);
    let command = advice.split('`').nth(1).unwrap();
    assert!(command.starts_with("mv "), "{advice}");
    assert!(Command::new("sh").args(["-c", command]).current_dir(lab.dir()).status().unwrap().success());
    lab.ok(&["init", "orphan"]);
    assert!(lab.ok(&["-d", "orphan", "verify", "--deep"]).contains("sound: 0 parts, 0 images"));
}
