//! A folder that looks like a device's `proc`, `sys` and `dev`, of plain files.
