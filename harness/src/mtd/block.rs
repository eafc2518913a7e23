//! A block node: Linux's page cache over mtdblock's one erase block.
//!
//! Source of behaviour: Linux 6.1 drivers/mtd/mtdblock.c, mtd_blkdevs.c and
//! block/{fops,bdev}.c. Two caches lie above the flash:
//! - The **page cache** holds what was read and written until the last close.
//!   Dirty pages are written back by fsync, sync, BLKFLSBUF and the last close.
//!   So a block node is not coherent with the character node, either way.
//! - **mtdblock** gets what is written back in units of 512 bytes and gathers
//!   it in a copy of one erase block. A unit in another erase block, fsync, and
//!   the last close erase the block and program the copy.
//!
//! Invariants: what a handle reads is the newest that any handle of the device
//! wrote; flash changes by whole erase blocks, erased before they are programmed.
//!
//! Not simulated: Linux also writes dirty pages back after some 30 seconds and
//! reads ahead of what was asked. Nothing here depends on time; pages are
//! written back early only when more than [`DIRTY_PAGES_MAX`] are dirty.

use super::access::{Mtd, Transfer};
use super::mtdblock::{MtdBlock, Note, SECTOR_BYTES, lay_over};
use crate::Errno;
use std::collections::BTreeMap;
use std::sync::Weak;

/// The page cache's page.
const PAGE_BYTES: u64 = 4096;
/// Clean pages kept before the oldest numbers are forgotten (16 MiB).
const CLEAN_PAGES_MAX: usize = 4096;
/// Dirty pages gathered before they are written back (16 MiB).
const DIRTY_PAGES_MAX: usize = 4096;
/// Pages fetched from flash with one read: Linux's read-ahead window, 128 KiB.
const FETCH_PAGES_MAX: u64 = 32;

/// Whole pages in the largest request, 255 sectors.
const REQUEST_PAGES_MAX: usize = 31;

/// Somebody who is told where what a block node reads as may have changed, other
/// than by a change of the flash under it. The block node is held meanwhile.
pub(crate) trait BlockWatcher: Send + Sync {
    /// These bytes may read otherwise now.
    fn changed(&self, offset_bytes: u64, length_bytes: u64);
}

struct Page {
    data: Box<[u8]>,
    dirty: bool,
}

/// One mtdblockN, shared by all its handles.
#[derive(Default)]
pub(super) struct BlockDevice {
    openers: u32,
    pages: BTreeMap<u64, Page>,
    dirty_pages: usize,
    mtdblock: MtdBlock,
    /// Counts failed write-backs; a handle's fsync reports one that is new to it.
    write_back_errors: u64,
    /// BLKROSET.
    pub(super) set_read_only: bool,
    /// BLKBSZSET, until the last close.
    pub(super) unit_set: Option<u32>,
    watchers: Vec<Weak<dyn BlockWatcher>>,
}

/// The device's size as the block layer sees it: whole sectors.
pub(super) fn capacity_bytes(mtd: Mtd<'_>) -> u64 {
    mtd.size_bytes - mtd.size_bytes % SECTOR_BYTES as u64
}

/// The page cache's unit: the largest power of two up to a page that divides
/// the size (block/bdev.c, set_init_blocksize).
pub(super) fn unit_bytes(mtd: Mtd<'_>) -> u32 {
    let capacity = capacity_bytes(mtd);
    let mut unit = SECTOR_BYTES as u64;
    while unit < PAGE_BYTES && capacity & unit == 0 {
        unit <<= 1;
    }
    unit as u32
}

impl BlockDevice {
    /// Another handle; answers which write-back errors it need not report.
    pub(super) fn open(&mut self) -> u64 {
        self.openers += 1;
        self.write_back_errors
    }

    /// A handle less. The last one writes everything back; errors are lost,
    /// as they are in Linux.
    pub(super) fn close(&mut self, mtd: Mtd<'_>, note: Note<'_>) {
        self.openers -= 1;
        if self.openers == 0 {
            self.write_back(mtd, note);
            let _ = self.mtdblock.flush(mtd, note);
            self.forget_pages(|_, _| true);
            self.dirty_pages = 0;
            // What could not be flushed is lost.
            if let Some((start, length)) = self.mtdblock.copied() {
                self.tell(start, length);
            }
            self.mtdblock = MtdBlock::default();
            self.unit_set = None;
        }
    }

    pub(super) fn is_read_only(&self, mtd: Mtd<'_>) -> bool {
        self.set_read_only || !mtd.device.writeable
    }

    /// read(2): clamped at the end. What was copied before an error counts.
    pub(super) fn read(
        &mut self,
        mtd: Mtd<'_>,
        at: u64,
        buf: &mut [u8],
        note: Note<'_>,
    ) -> Transfer {
        let left = capacity_bytes(mtd).saturating_sub(at);
        let wanted = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < wanted {
            let from = at + done as u64;
            let last_page = (at + wanted as u64 - 1) / PAGE_BYTES;
            let page = match self.page(mtd, from / PAGE_BYTES, last_page) {
                Ok(page) => page,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error).into(),
            };
            let start = (from % PAGE_BYTES) as usize;
            // A size that grew meanwhile can leave a cached page short.
            let length = page.data.len().saturating_sub(start).min(wanted - done);
            if length == 0 {
                break;
            }
            buf[done..done + length].copy_from_slice(&page.data[start..start + length]);
            done += length;
        }
        self.forget_clean(CLEAN_PAGES_MAX);
        let _ = note;
        Ok(done).into()
    }

    /// write(2) into the page cache: EPERM on a read-only device, 0 for length
    /// 0, ENOSPC at or past the end, short across it.
    pub(super) fn write(&mut self, mtd: Mtd<'_>, at: u64, data: &[u8], note: Note<'_>) -> Transfer {
        if self.is_read_only(mtd) {
            return Err(Errno::PERM).into();
        }
        if data.is_empty() {
            return Ok(0).into();
        }
        let capacity = capacity_bytes(mtd);
        if at >= capacity {
            return Err(Errno::NOSPC).into();
        }
        let left = usize::try_from(capacity - at).unwrap_or(usize::MAX);
        let data = &data[..data.len().min(left)];
        let mut done = 0;
        while done < data.len() {
            let to = at + done as u64;
            let number = to / PAGE_BYTES;
            let page_start = number * PAGE_BYTES;
            let page_bytes = PAGE_BYTES.min(capacity - page_start) as usize;
            let start = (to - page_start) as usize;
            let length = (page_bytes - start).min(data.len() - done);
            let part = &data[done..done + length];
            if length == page_bytes {
                self.put(number, part.into(), true);
            } else if let Err(error) = self.page(mtd, number, number) {
                if done == 0 {
                    return Err(error).into();
                }
                break;
            } else if let Some(page) = self.pages.get_mut(&number) {
                page.data[start..start + length].copy_from_slice(part);
                self.dirty_pages += usize::from(!page.dirty);
                page.dirty = true;
                self.tell(to, length as u64);
            }
            done += length;
        }
        if self.dirty_pages > DIRTY_PAGES_MAX {
            self.write_back(mtd, note);
        }
        Ok(done).into()
    }

    /// fsync(2): answers the errors now known, and whether one was new.
    pub(super) fn fsync(
        &mut self,
        mtd: Mtd<'_>,
        errors_seen: u64,
        note: Note<'_>,
    ) -> (u64, Result<(), Errno>) {
        self.write_back(mtd, note);
        if self.write_back_errors != errors_seen {
            return (self.write_back_errors, Err(Errno::IO));
        }
        let copied = self.mtdblock.copied();
        let flushed = self.mtdblock.flush(mtd, note).map_err(|_| Errno::IO);
        if let (Err(_), Some((start, length))) = (flushed, copied) {
            self.tell(start, length);
        }
        (self.write_back_errors, flushed)
    }

    /// Hands all dirty pages to mtdblock. A page that fails is dropped, so that
    /// the next read shows what is on flash, and the error is counted.
    pub(super) fn write_back(&mut self, mtd: Mtd<'_>, note: Note<'_>) {
        if self.dirty_pages == 0 {
            return;
        }
        let dirty = self.pages.iter().filter(|(_, page)| page.dirty);
        let numbers: Vec<u64> = dirty.map(|(number, _)| *number).collect();
        for number in in_request_order(&numbers) {
            let Some(mut page) = self.pages.remove(&number) else {
                continue;
            };
            page.dirty = false;
            match self
                .mtdblock
                .write(mtd, number * PAGE_BYTES, &page.data, note)
            {
                Ok(()) => {
                    self.pages.insert(number, page);
                }
                Err(_) => {
                    self.write_back_errors += 1;
                    self.tell(number * PAGE_BYTES, PAGE_BYTES);
                }
            }
        }
        self.dirty_pages = 0;
    }

    /// BLKFLSBUF: pages go to mtdblock and are forgotten; its copy of the erase
    /// block stays (block/ioctl.c of 6.1: no flush reaches the driver).
    pub(super) fn flush_buffers(&mut self, mtd: Mtd<'_>, note: Note<'_>) {
        self.write_back(mtd, note);
        self.forget_pages(|_, _| true);
    }

    /// Writes zeroes past the page cache, which forgets the range first.
    pub(super) fn zero_out(
        &mut self,
        mtd: Mtd<'_>,
        offset: u64,
        length: u64,
        note: Note<'_>,
    ) -> Result<(), Errno> {
        if self.is_read_only(mtd) {
            return Err(Errno::PERM);
        }
        self.write_back(mtd, note);
        let numbers = offset / PAGE_BYTES..(offset + length).div_ceil(PAGE_BYTES);
        self.forget_pages(|number, _| numbers.contains(&number));
        let zeroes = [0; PAGE_BYTES as usize];
        let mut at = offset;
        while at < offset + length {
            let part = (offset + length - at).min(PAGE_BYTES) as usize;
            self.mtdblock
                .write(mtd, at, &zeroes[..part], note)
                .map_err(|_| Errno::IO)?;
            self.tell(at, part as u64);
            at += part as u64;
        }
        Ok(())
    }

    /// A page of the cache, fetched if absent, together with the absent ones
    /// behind it up to `last`.
    fn page(&mut self, mtd: Mtd<'_>, number: u64, last: u64) -> Result<&Page, Errno> {
        if !self.pages.contains_key(&number) {
            let last = last.min(number + FETCH_PAGES_MAX - 1);
            let end = self
                .pages
                .range(number..=last)
                .next()
                .map_or(last, |p| p.0 - 1);
            // A window that fails as a whole is tried again page by page, as
            // Linux falls back from read-ahead to reading the one page.
            if end == number || self.fetch(mtd, number, end).is_err() {
                self.fetch(mtd, number, number)?;
            }
        }
        self.pages.get(&number).ok_or(Errno::IO)
    }

    fn fetch(&mut self, mtd: Mtd<'_>, first: u64, last: u64) -> Result<(), Errno> {
        let start = first * PAGE_BYTES;
        let end = ((last + 1) * PAGE_BYTES).min(capacity_bytes(mtd));
        let mut data = vec![0; end.saturating_sub(start) as usize];
        self.mtdblock
            .read(mtd, start, &mut data)
            .map_err(|_| Errno::IO)?;
        for (number, part) in (first..).zip(data.chunks(PAGE_BYTES as usize)) {
            self.put(number, part.into(), false);
        }
        Ok(())
    }

    fn put(&mut self, number: u64, data: Box<[u8]>, dirty: bool) {
        let before = self.pages.insert(number, Page { data, dirty });
        self.dirty_pages -= usize::from(before.is_some_and(|page| page.dirty));
        self.dirty_pages += usize::from(dirty);
        if dirty {
            self.tell(number * PAGE_BYTES, PAGE_BYTES);
        }
    }

    /// Forgets clean pages, lowest numbers first, until few enough are left.
    fn forget_clean(&mut self, pages_max: usize) {
        let clean = self.pages.len() - self.dirty_pages;
        let mut surplus = clean.saturating_sub(pages_max);
        if surplus > 0 {
            self.forget_pages(|_, page| {
                let forget = surplus > 0 && !page.dirty;
                surplus -= usize::from(forget);
                forget
            });
        }
    }

    /// Forgets some pages: from then on they read as what lies below.
    fn forget_pages(&mut self, mut forget: impl FnMut(u64, &Page) -> bool) {
        let mut gone = Vec::new();
        self.pages.retain(|number, page| {
            let forget = forget(*number, page);
            if forget {
                gone.push(*number);
            }
            !forget
        });
        for number in gone {
            self.tell(number * PAGE_BYTES, PAGE_BYTES);
        }
    }

    /// Has somebody told where this node reads otherwise from now on.
    pub(super) fn watch(&mut self, watcher: Weak<dyn BlockWatcher>) {
        self.watchers.retain(|known| known.strong_count() > 0);
        self.watchers.push(watcher);
    }

    fn tell(&self, offset_bytes: u64, length_bytes: u64) {
        for watcher in self.watchers.iter().filter_map(Weak::upgrade) {
            watcher.changed(offset_bytes, length_bytes);
        }
    }

    /// What a read would give, without keeping, counting or timing anything, and
    /// past any fault.
    pub(super) fn peek(&self, mtd: Mtd<'_>, at: u64, buf: &mut [u8]) -> Result<(), Errno> {
        mtd.peek(at, buf)?;
        self.mtdblock.lay_over(at, buf);
        let end = at + buf.len() as u64;
        for (number, page) in self.pages.range(at / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            lay_over(number * PAGE_BYTES, &page.data, at, buf);
        }
        Ok(())
    }
}

/// The order in which dirty pages reach mtdblock. Neighbours go in requests of
/// up to 31 pages, ascending, but when their number is even the last two change
/// places: the queue takes two at a time, and the block layer's plug hands its
/// rest out newest first (block/blk-mq.c of 6.1, blk_mq_flush_plug_list; seen
/// on 6.1.192 without an I/O scheduler). It decides which erase block stays in
/// mtdblock's copy, and that some are erased twice.
fn in_request_order(numbers: &[u64]) -> Vec<u64> {
    let mut requests: Vec<&[u64]> = numbers
        .chunk_by(|one, next| one + 1 == *next)
        .flat_map(|neighbours| neighbours.chunks(REQUEST_PAGES_MAX))
        .collect();
    if let (0, [.., first, second]) = (requests.len() % 2, &mut requests[..]) {
        std::mem::swap(first, second);
    }
    requests.concat()
}
