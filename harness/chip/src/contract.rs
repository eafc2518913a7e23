//! What every [`Storage`] must do, as a check that any implementation can be
//! put through: random operations beside a plain byte vector.

use crate::{EraseBlock, Geometry, Storage, hash_of};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Puts a storage through `steps` random operations beside a byte vector, all
/// of them within the chip as [`super::Chip`] guarantees. The first difference
/// is told, with the seed that leads there again. The storage may hold anything
/// at first; it holds something else afterwards.
///
/// ```
/// use mtd_chip::{Geometry, MemoryStorage, check_storage};
/// let geometry = Geometry { size_bytes: 4096, erase_block_bytes: 512 };
/// check_storage(&mut MemoryStorage::new(geometry), geometry, 100, 1)?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// What was done, where, and how the storage differed.
pub fn check_storage(
    storage: &mut dyn Storage,
    geometry: Geometry,
    steps: usize,
    seed: u64,
) -> Result<(), String> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let size = geometry.size_bytes as usize;
    let mut model = vec![0; size];
    let told = |done: &str, why: String| format!("{done} {why} (seed {seed})");
    storage
        .read(0, &mut model)
        .map_err(|errno| told("reading the whole chip", errno.to_string()))?;
    for step in 0..steps {
        let at = below(&mut rng, size + 1);
        let length = below(
            &mut rng,
            (3 * geometry.erase_block_bytes as usize).min(size - at) + 1,
        );
        let done;
        let answer;
        match below(&mut rng, 4) {
            0 => {
                done = format!("step {step}: reading 0x{length:x} bytes at 0x{at:x}");
                let mut buf = vec![0x5a; length];
                answer = storage.read(at as u64, &mut buf);
                if answer.is_ok() && buf != model[at..at + length] {
                    return Err(told(&done, "gave other bytes".into()));
                }
            }
            1 => {
                done = format!("step {step}: programming 0x{length:x} bytes at 0x{at:x}");
                let data = random_bytes(&mut rng, length);
                answer = storage.program(at as u64, &data);
                let cells = model[at..at + length].iter_mut();
                cells.zip(&data).for_each(|(cell, new)| *cell &= new);
            }
            2 => {
                let block_bytes = u64::from(geometry.erase_block_bytes);
                let start = at as u64 / block_bytes * block_bytes;
                let length = block_bytes.min(geometry.size_bytes - start);
                done = format!("step {step}: erasing 0x{length:x} bytes at 0x{start:x}");
                answer = storage.erase(start, length);
                model[start as usize..(start + length) as usize].fill(0xff);
            }
            _ => {
                done = format!("step {step}: loading 0x{length:x} bytes at 0x{at:x}");
                let data = random_bytes(&mut rng, length);
                answer = storage.load(at as u64, &data);
                model[at..at + length].copy_from_slice(&data);
            }
        }
        answer.map_err(|errno| told(&done, format!("failed: {errno}")))?;
        if step % 16 == 0 {
            check_fork(storage, geometry, &model).map_err(|why| told(&done, why))?;
        }
        let mut found = vec![0; size];
        storage
            .read(0, &mut found)
            .map_err(|errno| told(&done, format!("then reading failed: {errno}")))?;
        if let Some(n) = (0..size).find(|n| found[*n] != model[*n]) {
            let why = format!(
                "left 0x{:02x} at 0x{n:x} instead of 0x{:02x}",
                found[n], model[n]
            );
            return Err(told(&done, why));
        }
    }
    Ok(())
}

/// A fork has the same cells and hashes, and is independent; the storage itself must
/// read as the model afterwards, which the caller looks at.
fn check_fork(storage: &dyn Storage, geometry: Geometry, model: &[u8]) -> Result<(), String> {
    let failed = |errno: crate::Errno| format!("then forking failed: {errno}");
    let mut fork = storage.fork().map_err(failed)?;
    let size = geometry.size_bytes as usize;
    let mut found = vec![0; size];
    fork.read(0, &mut found).map_err(failed)?;
    if found != *model {
        return Err("then a fork had other cells".into());
    }
    for block in (0..geometry.erase_blocks()).map(EraseBlock) {
        let start = geometry.start_of(block) as usize;
        let cells = &model[start..start + geometry.erase_block_bytes as usize];
        if storage.hash(block).map_err(failed)? != hash_of(cells) {
            return Err(format!("then erase block {} had another hash", block.0));
        }
        let identities = (storage.identity(block), fork.identity(block));
        if let (Some(one), Some(other)) = identities {
            if one != other {
                return Err(format!("then a fork told erase block {} apart", block.0));
            }
        }
    }
    fork.load(0, &vec![0xa5; size]).map_err(failed)?;
    fork.read(0, &mut found).map_err(failed)?;
    match found.iter().all(|byte| *byte == 0xa5) {
        true => Ok(()),
        false => Err("then a fork kept cells that were replaced".into()),
    }
}

/// Random bytes; all ones now and then, as erased cells are.
fn random_bytes(rng: &mut Xoshiro256PlusPlus, length: usize) -> Vec<u8> {
    match below(rng, 4) {
        0 => vec![0xff; length],
        _ => (0..length).map(|_| rng.next_u64() as u8).collect(),
    }
}

fn below(rng: &mut Xoshiro256PlusPlus, bound: usize) -> usize {
    (rng.next_u64() % bound as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::super::{FileStorage, MemoryStorage};
    use super::*;
    use crate::Errno;
    use rstest::rstest;

    const GEOMETRY: Geometry = Geometry {
        size_bytes: 1024,
        erase_block_bytes: 128,
    };

    #[test]
    fn both_storages_keep_it() {
        for seed in 0..20 {
            let mut memory = MemoryStorage::new(GEOMETRY);
            check_storage(&mut memory, GEOMETRY, 200, seed).unwrap();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), [0x77; 1024]).unwrap();
            let mut image = FileStorage::open(GEOMETRY, file.path()).unwrap();
            check_storage(&mut image, GEOMETRY, 200, seed).unwrap();
        }
    }

    /// A storage with one thing wrong.
    #[derive(Clone)]
    struct Broken(MemoryStorage, Wrong);

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Wrong {
        ProgramOverwrites,
        ProgramDropsLastByte,
        EraseToZero,
        EraseShort,
        LoadAnds,
        ReadOffByOne,
        ReadFails,
        ForkErased,
        ForkIsStale,
        HashStale,
    }

    impl Storage for Broken {
        fn geometry(&self) -> Geometry {
            self.0.geometry()
        }
        fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), Errno> {
            match self.1 {
                Wrong::ReadFails if offset > 1000 => Err(Errno::IO),
                Wrong::ReadOffByOne if offset > 0 => self.0.read(offset - 1, buf),
                _ => self.0.read(offset, buf),
            }
        }
        fn program(&mut self, offset: u64, data: &[u8]) -> Result<(), Errno> {
            match self.1 {
                Wrong::ProgramOverwrites => self.0.load(offset, data),
                Wrong::ProgramDropsLastByte if !data.is_empty() => {
                    self.0.program(offset, &data[..data.len() - 1])
                }
                _ => self.0.program(offset, data),
            }
        }
        fn erase(&mut self, offset: u64, length: u64) -> Result<(), Errno> {
            match self.1 {
                Wrong::EraseToZero => self.0.load(offset, &vec![0; length as usize]),
                Wrong::EraseShort => self.0.erase(offset, length.saturating_sub(1)),
                _ => self.0.erase(offset, length),
            }
        }
        fn load(&mut self, offset: u64, data: &[u8]) -> Result<(), Errno> {
            match self.1 {
                Wrong::LoadAnds => self.0.program(offset, data),
                _ => self.0.load(offset, data),
            }
        }
        fn fork(&self) -> Result<Box<dyn Storage>, Errno> {
            match self.1 {
                Wrong::ForkErased => Ok(Box::new(MemoryStorage::new(GEOMETRY))),
                Wrong::ForkIsStale => Ok(Box::new(Stale(self.0.clone()))),
                _ => Ok(Box::new(self.clone())),
            }
        }
        fn hash(&self, block: EraseBlock) -> Result<u128, Errno> {
            match self.1 {
                Wrong::HashStale => Ok(hash_of(&[block.0 as u8])),
                _ => self.0.hash(block),
            }
        }
    }

    /// A fork that takes no change.
    struct Stale(MemoryStorage);

    impl Storage for Stale {
        fn geometry(&self) -> Geometry {
            self.0.geometry()
        }
        fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), Errno> {
            self.0.read(offset, buf)
        }
        fn program(&mut self, _: u64, _: &[u8]) -> Result<(), Errno> {
            Ok(())
        }
        fn erase(&mut self, _: u64, _: u64) -> Result<(), Errno> {
            Ok(())
        }
        fn load(&mut self, _: u64, _: &[u8]) -> Result<(), Errno> {
            Ok(())
        }
        fn fork(&self) -> Result<Box<dyn Storage>, Errno> {
            Ok(Box::new(MemoryStorage::copy_of(self)?))
        }
    }

    #[rstest]
    fn a_broken_storage_is_caught(
        #[values(
            Wrong::ProgramOverwrites,
            Wrong::ProgramDropsLastByte,
            Wrong::EraseToZero,
            Wrong::EraseShort,
            Wrong::LoadAnds,
            Wrong::ReadOffByOne,
            Wrong::ReadFails,
            Wrong::ForkErased,
            Wrong::ForkIsStale,
            Wrong::HashStale
        )]
        wrong: Wrong,
    ) {
        let mut broken = Broken(MemoryStorage::new(GEOMETRY), wrong);
        let told = check_storage(&mut broken, GEOMETRY, 500, 7).unwrap_err();
        assert!(told.contains("(seed 7)"), "{told}");
    }
}
