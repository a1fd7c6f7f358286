# SPDX-License-Identifier: Apache-2.0
"""A small ext4 disk in a file: mounted through a loop device, copied as a power cut would leave it, frozen, filled,
made read-only. Needs root and loop devices; where these are not given, why_not() says so. Everything that was mounted
is unmounted and detached, also behind a failure and at exit.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
import time


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError("%s: %s" % (" ".join(command), done.stderr.strip() or "exit %d" % done.returncode))
    return done.stdout.strip()


class LoopDisk:
    """`image`: a file with a file system that exists, or None for a fresh one of `mib` MiB."""

    def __init__(self, image=None, mib=96):
        self.folder = tempfile.mkdtemp(prefix="banyan-disk-")
        self.mount = os.path.join(self.folder, "mount")
        self.image = image or os.path.join(self.folder, "image")
        self.device, self.is_mounted, self.is_frozen = None, False, False
        atexit.register(self.close)
        try:
            os.mkdir(self.mount)
            if image is None:
                with open(self.image, "wb") as file:
                    file.truncate(mib << 20)
                # Nothing is left for the kernel to initialise behind our back.
                run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
            self.device = run("losetup", "--find", "--show", self.image)
            run("mount", "-t", "ext4", "-o", "commit=300", self.device, self.mount)
            self.is_mounted = True
        except BaseException:
            self.close()
            raise

    def written(self):
        """(writes that the device has taken, calls in flight)."""
        with open("/sys/block/%s/stat" % os.path.basename(self.device), encoding="ascii") as file:
            fields = file.read().split()
        return int(fields[4]), int(fields[8])

    def copy(self, target, tries=50):
        """What a power cut now would leave: the backing file, without what the file system above has not written. A
        copy into which a write fell is no moment's image and is made again; stop who writes first."""
        for _ in range(tries):
            before = self.written()
            run("cp", "--sparse=always", self.image, target)
            if before == self.written() and before[1] == 0:
                return
            time.sleep(0.005)
        raise OSError("the disk does not come to rest for a copy")

    def freeze(self):
        """From now on every write to the file system hangs, until thaw()."""
        run("fsfreeze", "-f", self.mount)
        self.is_frozen = True

    def thaw(self):
        if self.is_frozen:
            run("fsfreeze", "-u", self.mount)
            self.is_frozen = False

    def mount_again(self, how):
        """Checked and mounted anew, "ro" or "rw"."""
        self.unmount()
        subprocess.run(["e2fsck", "-fy", self.device], capture_output=True)
        run("mount", "-t", "ext4", "-o", how, self.device, self.mount)
        self.is_mounted = True

    def unmount(self):
        for _ in range(100):
            if subprocess.run(["umount", self.mount], capture_output=True).returncode == 0:
                break
            time.sleep(0.05)  # who had it open is just ending
        else:
            subprocess.run(["umount", "-l", self.mount], capture_output=True)
        self.is_mounted = False

    def close(self):
        atexit.unregister(self.close)
        if self.is_frozen:
            subprocess.run(["fsfreeze", "-u", self.mount], capture_output=True)
        if self.is_mounted:
            self.unmount()
        if self.device is not None:
            subprocess.run(["losetup", "-d", self.device], capture_output=True)
            self.device = None
        shutil.rmtree(self.folder, ignore_errors=True)


def why_not():
    """Why no such disk can be had here; "" where it can."""
    if os.geteuid() != 0:
        return "only root may mount"
    for tool in ("mkfs.ext4", "losetup", "mount", "umount", "fsfreeze", "e2fsck"):
        if shutil.which(tool) is None:
            return "there is no %s" % tool
    try:
        disk = LoopDisk(mib=16)
    except OSError as error:
        return str(error)
    disk.close()
    return ""
