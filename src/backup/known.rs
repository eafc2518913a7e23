//! What the partitions of known devices hold, in words for people.

/// The partition whose contents the factory gave to one device alone, by name.
/// On the Clear iSpot `param` holds the WiMAX MAC address and the radio's
/// calibration.
const IDENTITY_PARTITIONS: [&str; 1] = ["param"];

/// An identity partition larger than this is not read for the purpose.
pub(crate) const IDENTITY_BYTES_MAX: u64 = 1 << 20;

/// Whether a partition's contents tell one device from another.
pub(crate) fn tells_devices_apart(name: &str) -> bool {
    IDENTITY_PARTITIONS.contains(&name)
}

/// Whether a partition is called as those are, on devices of many makers, that hold what
/// the factory gave to one device alone.
pub(crate) fn is_called_as_of_one_device(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let known = "param factory art calibration caldata devinfo eeprom";
    known.split(' ').any(|one| one == name)
}

/// Whether a layout is the iSpot's: it alone has these two counters.
pub(crate) fn is_ispot<'a>(mut names: impl Iterator<Item = &'a str> + Clone) -> bool {
    ["ver_1", "ver_2"]
        .iter()
        .all(|counter| names.clone().any(|name| name == *counter))
        && names.any(tells_devices_apart)
}

/// What the iSpot's partition of that name holds.
pub(crate) fn description(name: &str) -> Option<&'static str> {
    Some(match name {
        "RedBoot" => "the boot loader",
        "param" => {
            "made at the factory for this one device: WiMAX MAC address, radio calibration. Irreplaceable"
        }
        "linux" => "firmware image 1: the kernel",
        "rootfs" => "firmware image 1: the root file system (JFFS2)",
        "system" => "settings that outlive a firmware update",
        "linux_2" => "firmware image 2: the kernel",
        "rootfs_2" => "firmware image 2: the root file system (JFFS2)",
        "ver_1" => "version counter of firmware image 1",
        "ver_2" => "version counter of firmware image 2",
        "FIS directory" => "RedBoot's partition table",
        "RedBoot config" => "RedBoot's settings (fconfig)",
        _ => return None,
    })
}
