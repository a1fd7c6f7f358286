# SPDX-License-Identifier: Apache-2.0
"""Certificates made when a test runs, with Debian's openssl."""

import os
import shutil
import ssl
import subprocess
import tempfile


def openssl(*arguments, text=None, code=0, timeout=30):
    done = subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, timeout=timeout,
                          errors="replace")
    if code is not None and done.returncode != code:
        raise AssertionError("openssl %s: %d\n%s" % (" ".join(arguments), done.returncode, done.stderr))
    return done.stdout + done.stderr


class Certificates:
    """An authority, and what it signs, in a folder of their own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="banyan-tls-")
        self.authority("ca")

    def path(self, name):
        return os.path.join(self.folder, name)

    def authority(self, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
                "-subj", "/CN=Authority " + name, "-keyout", self.path(name + ".key"), "-out", self.path(name + ".pem"))

    def make(self, name, names="DNS:localhost,IP:127.0.0.1", subject=None, ca="ca", kind="ec", dates=None):
        kinds = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}
        openssl("req", "-new", "-newkey", *kinds[kind], "-nodes", "-subj", subject or "/CN=" + name,
                "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"))
        with open(self.path("ext.cnf"), "w", encoding="utf-8") as file:
            file.write("subjectAltName=" + names + "\nbasicConstraints=critical,CA:FALSE\n")
        made = self.path(name + ".new")
        if dates is None:
            openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path(ca + ".pem"), "-CAkey",
                    self.path(ca + ".key"), "-CAcreateserial", "-days", "60", "-extfile", self.path("ext.cnf"),
                    "-out", made)
        else:
            with open(self.path("ca.cnf"), "w", encoding="utf-8") as file:
                file.write("[ca]\ndefault_ca=x\n[x]\ndatabase=%s\nnew_certs_dir=%s\nserial=%s\ndefault_md=sha256\n"
                           "policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n" % (
                               self.path("index"), self.folder, self.path("serial")))
            open(self.path("index"), "w", encoding="utf-8").close()
            with open(self.path("serial"), "w", encoding="utf-8") as file:
                file.write("77\n")
            openssl("ca", "-batch", "-notext", "-config", self.path("ca.cnf"), "-in", self.path(name + ".csr"),
                    "-cert", self.path(ca + ".pem"), "-keyfile", self.path(ca + ".key"), "-extfile",
                    self.path("ext.cnf"), "-startdate", dates[0], "-enddate", dates[1], "-out", made)
        os.replace(made, self.path(name + ".pem"))
        return self.pair(name)

    def pair(self, name):
        return 'certificate = "%s", private_key = "%s"' % (self.path(name + ".pem"), self.path(name + ".key"))

    def client_context(self, identity=None, ca="ca"):
        context = ssl.create_default_context(cafile=self.path(ca + ".pem"))
        if identity:
            context.load_cert_chain(self.path(identity + ".pem"), self.path(identity + ".key"))
        return context

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)
