//! Any sequence of reads, erases and programs, against a plain vector of bytes.

use super::checks::read_all;
use super::{ERASE_BLOCK_BYTES, PARTS, Subject, WRITEABLE, part_contents, subjects};
use mtdkeep::mtd::WritePermit;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Read { offset: usize, length: usize },
    Erase { block: usize, blocks: usize },
    Program { offset: usize, data: Vec<u8> },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = usize::try_from(PARTS[WRITEABLE].size_bytes).unwrap();
    let blocks = size / usize::try_from(ERASE_BLOCK_BYTES).unwrap();
    let step = prop_oneof![
        (0..size, 0..size).prop_map(|(offset, length)| Step::Read { offset, length }),
        (0..blocks)
            .prop_flat_map(move |block| (Just(block), 0..=blocks - block))
            .prop_map(|(block, blocks)| Step::Erase { block, blocks }),
        (0..size, prop::collection::vec(any::<u8>(), 0..9000)).prop_map(move |(offset, data)| {
            let data = data[..data.len().min(size - offset)].to_vec();
            Step::Program { offset, data }
        }),
    ];
    prop::collection::vec(step, 0..20)
}

fn behaves_like_a_vector(subject: &dyn Subject, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut model = part_contents(WRITEABLE);
    let block_bytes = usize::try_from(ERASE_BLOCK_BYTES).unwrap();
    let permit = WritePermit::granted_because("a property test writes");
    let device = &subject.backend().devices().unwrap()[WRITEABLE];
    let mut device = subject.backend().open_for_writing(device, &permit).unwrap();
    for step in steps {
        match step {
            Step::Read { offset, length } => {
                let mut buf = vec![0; *length];
                let count = device.read_at(*offset as u64, &mut buf).unwrap();
                prop_assert!(count > 0 || *length == 0);
                prop_assert_eq!(&buf[..count], &model[*offset..*offset + count]);
            }
            Step::Erase { block, blocks } => {
                let (start, length) = (block * block_bytes, blocks * block_bytes);
                device.erase(start as u64, length as u64).unwrap();
                model[start..start + length].fill(0xFF);
            }
            Step::Program { offset, data } => {
                device.program(*offset as u64, data).unwrap();
                for (cell, new) in model[*offset..].iter_mut().zip(data) {
                    *cell &= new;
                }
            }
        }
    }
    prop_assert_eq!(&read_all(&mut *device, 4096).unwrap(), &model);
    prop_assert_eq!(subject.cells(WRITEABLE), model);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn plain_files_behave_like_a_vector(steps in steps()) {
        behaves_like_a_vector(&subjects::PlainTree::new(), &steps)?;
    }
}

#[cfg(feature = "full")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_simulation_behaves_like_a_vector(steps in steps()) {
        behaves_like_a_vector(&subjects::Simulated::new(), &steps)?;
    }
}
