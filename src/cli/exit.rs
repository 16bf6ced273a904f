//! How the program ends.

use std::process::ExitCode;

use gitproxy::agent::doctor::Ending;

/// How the program ends; [`CODES`] tells the same in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was asked; `run`: it was asked to stop and did; `health`: yes; `status`: the agent answered.
    Done,
    /// A fault of the program or the system; `health`: no; `status`: nobody answers.
    Failed,
    /// The command line cannot be understood. clap ends the program with the same code.
    Usage,
    /// The settings cannot be used; a line for each problem went to standard error.
    Settings,
    /// What the doctor found.
    Examined(Ending),
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Settings => Ending::Settings.code(),
            Self::Examined(ending) => ending.code(),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// For `--help`.
pub(super) const CODES: &str = "\
Exit codes:
  0  done; run: asked to stop, and drained; health: yes; status: the agent answered, attached or
     not; doctor: every check passed or warned
  1  a fault of the program or the system; health: no; status: no answer at the socket
  2  the command line cannot be understood
  3  the settings cannot be used: all that is wrong with them is told
  4  doctor, run --preflight: a check on the way to the gateway failed
  5  doctor, run --preflight: a check on the way to a Bitbucket failed
  6  doctor, run --preflight: both
No answer of a gateway or a Bitbucket ends `run` without --preflight, or after it.";
