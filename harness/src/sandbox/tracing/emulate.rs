//! The stops of a traced thread at a call on a covered number.

use crate::sandbox::calls::transfers;
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::{arch, ptrace, read_write};
use crate::sandbox::shared::Shared;
use crate::sandbox::tracing::coverage;

/// Answers the call at which a thread stopped, and lets it go on.
pub(in crate::sandbox) fn call(shared: &Shared, process: Process) {
    if let Ok(mut registers) = ptrace::registers(process.tid) {
        let (number, args) = arch::call(&registers);
        let mut state = shared.lock();
        let Some(read_write) = read_write::by_number(number) else {
            let closes = state.handles.has_cached_writes();
            drop(state);
            let ends = closes || coverage::may_renumber(number);
            if !ends || ptrace::go_to_syscall(process.tid).is_err() {
                ptrace::go_on(process.tid, 0);
            }
            return;
        };
        let answer = transfers::transfer(&mut state, process, number, &args);
        if state.power.is_gone() {
            // It stays stopped until it is killed.
            return;
        }
        if let Some(answer) = answer {
            let value = match answer {
                Ok(count) => count as i64,
                Err(errno) => -i64::from(errno.raw_os_error()),
            };
            if state.log.is_tracing() {
                let about = std::mem::take(&mut state.about);
                let told = Some(answer.map(|count| count as i64));
                let call = (process.tid, read_write.name);
                state.log.call(call, &args, about, told);
            }
            drop(state);
            let _ = ptrace::skip_call(process.tid, &mut registers, value);
        }
    }
    ptrace::go_on(process.tid, 0);
}
