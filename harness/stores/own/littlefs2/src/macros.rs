//! littlefs2's own tests on the simulated chip: this takes the place of its src/macros.rs,
//! whose storages are arrays.

use mtd_chip::{Chip, Geometry, Programming};

/// A chip that is made when it is first used, because the tests make theirs as constants.
pub fn made(place: &mut Option<Chip>, block: usize, count: usize, word: usize) -> &mut Chip {
    place.get_or_insert_with(|| {
        let mut chip = Chip::new(Geometry {
            size_bytes: (block * count) as u64,
            erase_block_bytes: block as u32,
        });
        chip.set_programming(Programming::words(word as u32));
        chip
    })
}

#[macro_export]
macro_rules! storage_on_a_chip {
    (
    [$($life:tt)*] $Name:ty, $this:ident => $place:expr,
    read_size=$read_size:expr,
    write_size=$write_size:expr,
    cache_size_ty=$cache_size:path,
    block_size=$block_size:expr,
    block_count=$block_count:expr,
    lookahead_size_ty=$lookahead_size:path,
) => {
        impl<$($life)*> $Name {
            fn made(&mut self) -> &mut ::mtd_chip::Chip {
                let $this = self;
                $crate::macros::made(&mut $place, $block_size, $block_count, $write_size)
            }
        }

        impl<$($life)*> $crate::driver::Storage for $Name {
            const READ_SIZE: usize = $read_size;
            const WRITE_SIZE: usize = $write_size;
            type CACHE_SIZE = $cache_size;
            const BLOCK_SIZE: usize = $block_size;
            const BLOCK_COUNT: usize = $block_count;
            type LOOKAHEAD_SIZE = $lookahead_size;

            fn read(&mut self, offset: usize, buf: &mut [u8]) -> $crate::io::Result<usize> {
                Ok(self.made().read(offset as u64, buf).expect("a read"))
            }

            fn write(&mut self, offset: usize, data: &[u8]) -> $crate::io::Result<usize> {
                self.made().program(offset as u64, data).expect("a program");
                Ok(data.len())
            }

            fn erase(&mut self, offset: usize, len: usize) -> $crate::io::Result<usize> {
                let block_size: usize = $block_size;
                for block in offset / block_size..(offset + len) / block_size {
                    let block = ::mtd_chip::EraseBlock(block as u64);
                    self.made().erase(block).expect("an erase");
                }
                Ok(len)
            }
        }
    };
}

#[macro_export]
macro_rules! ram_storage {
    (

    name=$Name:ident,
    backend=$Backend:ident,
    erase_value=0xff,
    $($rest:tt)*
) => {
        #[derive(Default)]
        pub struct $Backend {
            chip: Option<::mtd_chip::Chip>,
        }

        pub struct $Name<'backend> {
            backend: &'backend mut $Backend,
        }

        impl<'backend> $Name<'backend> {
            pub fn new(backend: &'backend mut $Backend) -> Self {
                $Name { backend }
            }
        }

        $crate::storage_on_a_chip!(['b] $Name<'b>, this => this.backend.chip, $($rest)*);
    };
    (tiny) => {
        $crate::ram_storage!(
            name = RamStorage,
            backend = Ram,
            erase_value = 0xff,
            read_size = 32,
            write_size = 32,
            cache_size_ty = $crate::consts::U32,
            block_size = 128,
            block_count = 8,
            lookahead_size_ty = $crate::consts::U1,
        );
    };
}

#[macro_export]
macro_rules! const_ram_storage {
    ($Name:ident, $bytes:expr) => {
        pub struct $Name {
            chip: Option<::mtd_chip::Chip>,
        }

        impl $Name {
            pub const fn new() -> Self {
                Self { chip: None }
            }
        }

        $crate::storage_on_a_chip!(
            [] $Name, this => this.chip,
            read_size = 16,
            write_size = 512,
            cache_size_ty = $crate::consts::U512,
            block_size = 512,
            block_count = $bytes / 512,
            lookahead_size_ty = $crate::consts::U1,
        );
    };
}
