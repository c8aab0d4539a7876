//! Where a network runs.

use std::fmt;
use std::str::FromStr;

/// A wish for a device: `auto`, `cpu`, `cuda` (the first GPU) or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// CUDA if the library offers it and a GPU answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index, or an error.
    Cuda(u32),
}

/// The device that was chosen, and the sentence that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceChoice {
    /// `Cpu` or `Cuda(_)`, never `Auto`.
    pub device: Device,
    /// For the user, such as `ONNX Runtime 1.31.1 on the CPU`.
    pub said: String,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.pad("auto"),
            Device::Cpu => f.pad("cpu"),
            Device::Cuda(0) => f.pad("cuda"),
            Device::Cuda(index) => f.pad(&format!("cuda:{index}")),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(word: &str) -> Result<Device, String> {
        match (word, word.strip_prefix("cuda:")) {
            ("auto", _) => Ok(Device::Auto),
            ("cpu", _) => Ok(Device::Cpu),
            ("cuda", _) => Ok(Device::Cuda(0)),
            (_, Some(index)) if index.bytes().all(|b| b.is_ascii_digit()) => {
                // The runtime's own index is a signed 32-bit number.
                index.parse::<i32>().map(|n| Device::Cuda(n.unsigned_abs())).map_err(|e| format!("device `{word}`: {e}"))
            }
            _ => Err(format!("device `{word}` is not one of auto, cpu, cuda, cuda:N")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_back() {
        for (word, device) in
            [("auto", Device::Auto), ("cpu", Device::Cpu), ("cuda", Device::Cuda(0)), ("cuda:3", Device::Cuda(3))]
        {
            assert_eq!(word.parse(), Ok(device));
            assert_eq!(device.to_string(), word);
        }
        assert_eq!("cuda:0".parse(), Ok(Device::Cuda(0)));
        for word in ["gpu", "cuda:", "cuda:-1", "cuda:+1", "cuda:99999999999", "CPU", ""] {
            assert!(word.parse::<Device>().is_err(), "{word}");
        }
    }
}
