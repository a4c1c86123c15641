//! `ipc://`: streams between programs of one machine, over sockets that have a path. With the same octets on them as
//! libzmq has.

use mio::net::{UnixListener, UnixStream};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    env, fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

/// As for a mailbox over TCP.
const BACKLOG: i32 = 4096;
/// How often a free path is looked for.
const TRIES: usize = 16;

/// A socket at a path, at which somebody listens. Its file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    path: String,
    /// Device and number of the socket's file: another program may have put its own in the place. None where there is no
    /// file.
    file: Option<(u64, u64)>,
    socket: UnixListener,
}

impl Listener {
    /// Listens at that path, or at one in the directory for temporary files; a path `@name` is a name of Linux's own
    /// where no file is. A socket that a program has left there without listening any more is replaced.
    pub(crate) fn bind(path: Option<&str>) -> io::Result<Self> {
        let Some(path) = path else { return bind_anywhere() };
        match listen(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
                fs::remove_file(path)?;
                listen(path)
            }
            other => other,
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn socket(&mut self) -> &mut UnixListener {
        &mut self.socket
    }

    pub(crate) fn accept(&self) -> io::Result<UnixStream> {
        self.socket.accept().map(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.file.is_some() && self.file == file(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind_anywhere() -> io::Result<Listener> {
    let mut tried = 0;
    loop {
        let mut octets = [0; 8];
        getrandom::fill(&mut octets).map_err(io::Error::other)?;
        let path = env::temp_dir().join(format!("zre-{:016x}", u64::from_ne_bytes(octets)));
        let path = path.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        tried += 1;
        match listen(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tried < TRIES => {}
            other => return other,
        }
    }
}

fn listen(path: &str) -> io::Result<Listener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(Listener { file: file(path), path: path.into(), socket: UnixListener::from_std(socket.into()) })
}

/// Begins to connect: it stands at once, or it fails.
pub(crate) fn connect(path: &str) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address(path)?) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::other("too many wait there to be let in"))
        }
        // There is nobody.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(io::ErrorKind::ConnectionRefused.into()),
        Err(error) => Err(error),
        Ok(()) => Ok(UnixStream::from_std(socket.into())),
    }
}

fn address(path: &str) -> io::Result<SockAddr> {
    let not_so = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    match path.strip_prefix('@') {
        _ if path.contains('\0') => not_so("a path has no NUL in it"),
        None => SockAddr::unix(path),
        Some("") => not_so("after @ there is no name"),
        Some(name) if cfg!(any(target_os = "linux", target_os = "android")) => SockAddr::unix(format!("\0{name}")),
        Some(_) => not_so("only Linux has names that begin with @"),
    }
}

/// Whether there is a socket at which nobody listens.
fn is_stale(path: &str) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let asked = || Socket::new(Domain::UNIX, Type::STREAM, None)?.connect(&address(path)?);
    is_socket && asked().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Whether something else than a socket is in the way.
pub(crate) fn is_other_file(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket())
}

fn file(path: &str) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(Path::new(path)).ok().filter(|_| !path.starts_with('@'))?;
    Some((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(name: &str) -> String {
        let path = env::temp_dir().join(format!("zre-test-{}-{name}", std::process::id()));
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_path_belongs_to_one_and_its_file_goes_with_it() {
        let path = free("held");
        let first = Listener::bind(Some(&path)).unwrap();
        assert_eq!(Listener::bind(Some(&path)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        connect(&path).unwrap();
        drop(first);
        assert!(!Path::new(&path).exists());
        assert_eq!(connect(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced_and_a_file_is_not() {
        let path = free("stale");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(Path::new(&path).exists(), "the standard library leaves it");
        let first = Listener::bind(Some(&path)).unwrap();
        connect(&path).unwrap();

        // Another program takes the path by force: it is not ours to remove.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(first);
        assert_eq!(Listener::bind(Some(&path)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(is_other_file(&path));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn where_too_many_wait_somebody_is_there_all_the_same() {
        let path = free("busy");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&address(&path).unwrap()).unwrap();
        socket.listen(1).unwrap();
        let (mut waiting, mut error) = (Vec::new(), None);
        while error.is_none() {
            assert!(waiting.len() < 100, "there is no end of it");
            match connect(&path) {
                Ok(stream) => waiting.push(stream),
                Err(why) => error = Some(why),
            }
        }
        assert_eq!(error.unwrap().kind(), io::ErrorKind::Other);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_free_path_is_found() {
        let (one, other) = (Listener::bind(None).unwrap(), Listener::bind(None).unwrap());
        assert_ne!(one.path(), other.path());
        assert!(Path::new(one.path()).exists());
        connect(one.path()).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_name_without_a_file() {
        let name = format!("@zre test {}", std::process::id());
        let first = Listener::bind(Some(&name)).unwrap();
        assert_eq!(Listener::bind(Some(&name)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        connect(&name).unwrap();
        drop(first);
        assert_eq!(connect(&name).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn what_is_no_path_is_said_so() {
        for path in ["@", "a\0b", &"x".repeat(200)] {
            assert_eq!(Listener::bind(Some(path)).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }
}
