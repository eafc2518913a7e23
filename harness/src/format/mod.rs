//! What stands on such flash: RedBoot FIS directory, fconfig, JFFS2.
