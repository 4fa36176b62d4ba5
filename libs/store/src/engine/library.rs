//! ClickHouse's C library, opened at run time, behind types that cannot be used wrongly. The only unsafe code here.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::sync::Arc;

use super::{Database, Error};

/// `chdb_connection *`: a pointer to the handle that queries take.
type RawConnection = *mut *mut c_void;
type RawResult = *mut c_void;

/// The functions that are used, as `chdb.h` of 26.7 declares them.
struct Functions {
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> RawConnection,
    close: unsafe extern "C" fn(RawConnection),
    query: unsafe extern "C" fn(*mut c_void, *const c_char, usize, *const c_char, usize) -> RawResult,
    query_with_params: unsafe extern "C" fn(
        *mut c_void,
        *const c_char,
        usize,
        *const c_char,
        usize,
        *const *const c_char,
        *const usize,
        *const *const c_char,
        *const usize,
        usize,
    ) -> RawResult,
    buffer: unsafe extern "C" fn(RawResult) -> *const c_char,
    length: unsafe extern "C" fn(RawResult) -> usize,
    error: unsafe extern "C" fn(RawResult) -> *const c_char,
    destroy: unsafe extern "C" fn(RawResult),
}

/// The opened library and the arguments that every connection of this process is made with.
pub(super) struct Library {
    functions: Functions,
    arguments: Vec<CString>,
}

impl Library {
    /// Opens `library`; its connections will use `config` and keep their data under `data`.
    pub(super) fn open(library: &Path, config: &Path, data: &Path) -> Result<Arc<Self>, Error> {
        let no_library = |source| Error::Library { path: library.to_owned(), source };
        // SAFETY: the library's initialisers are ClickHouse's own; it is never closed again, since its threads outlive
        // every connection.
        let opened = unsafe { libloading::Library::new(library) }.map_err(no_library)?;
        let opened: &'static libloading::Library = Box::leak(Box::new(opened));
        // SAFETY: the types are those of `chdb.h` of the release that the symbols come from.
        let functions = unsafe {
            // first of all: its handlers make a crash hang instead of end the process
            let handlers = opened.get::<unsafe extern "C" fn(c_int)>(b"chdb_set_signal_handlers_enabled");
            handlers.map_err(no_library)?(0);
            Functions {
                connect: *opened.get(b"chdb_connect").map_err(no_library)?,
                close: *opened.get(b"chdb_close_conn").map_err(no_library)?,
                query: *opened.get(b"chdb_query_n").map_err(no_library)?,
                query_with_params: *opened.get(b"chdb_query_with_params_n").map_err(no_library)?,
                buffer: *opened.get(b"chdb_result_buffer").map_err(no_library)?,
                length: *opened.get(b"chdb_result_length").map_err(no_library)?,
                error: *opened.get(b"chdb_result_error").map_err(no_library)?,
                destroy: *opened.get(b"chdb_destroy_query_result").map_err(no_library)?,
            }
        };
        let argument = |text: String| CString::new(text).map_err(|_| Error::Folder("a path holds a NUL".to_owned()));
        let arguments = vec![
            argument("clickhouse".to_owned())?,
            argument(format!("--path={}", data.display()))?,
            argument(format!("--config-file={}", config.display()))?,
        ];
        Ok(Arc::new(Self { functions, arguments }))
    }

    /// A fresh connection: what `USE` and `SET` change ends with it.
    pub(super) fn connect(self: &Arc<Self>) -> Result<Connection, Error> {
        let mut arguments: Vec<*mut c_char> = self.arguments.iter().map(|a| a.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(arguments.len()).unwrap_or(c_int::MAX);
        // SAFETY: `count` valid NUL-terminated strings that live through the call, which copies them.
        let raw = unsafe { (self.functions.connect)(count, arguments.as_mut_ptr()) };
        // SAFETY: where it isn't null it points to a handle.
        match !raw.is_null() && unsafe { !(*raw).is_null() } {
            true => Ok(Connection { raw, library: self.clone() }),
            false => Err(Error::Connect),
        }
    }
}

/// One session; runs one query at a time.
pub(super) struct Connection {
    raw: RawConnection,
    library: Arc<Library>,
}

// SAFETY: a connection may be used from any thread, one at a time; `run` takes it exclusively.
unsafe impl Send for Connection {}

impl Connection {
    /// Runs one statement; `parameters` fill `{name: Type}`.
    pub(super) fn run(&mut self, sql: &str, format: &str, parameters: &[(String, String)]) -> Result<Answer, Database> {
        let f = &self.library.functions;
        // SAFETY: `raw` is open until drop; all pointers are valid for the lengths beside them and live through the call.
        let raw = unsafe {
            let connection = *self.raw;
            let (sql, sql_length) = (sql.as_ptr().cast(), sql.len());
            let (format, format_length) = (format.as_ptr().cast(), format.len());
            if parameters.is_empty() {
                (f.query)(connection, sql, sql_length, format, format_length)
            } else {
                let names: Vec<*const c_char> = parameters.iter().map(|(n, _)| n.as_ptr().cast()).collect();
                let name_lengths: Vec<usize> = parameters.iter().map(|(n, _)| n.len()).collect();
                let values: Vec<*const c_char> = parameters.iter().map(|(_, v)| v.as_ptr().cast()).collect();
                let value_lengths: Vec<usize> = parameters.iter().map(|(_, v)| v.len()).collect();
                (f.query_with_params)(
                    connection,
                    sql,
                    sql_length,
                    format,
                    format_length,
                    names.as_ptr(),
                    name_lengths.as_ptr(),
                    values.as_ptr(),
                    value_lengths.as_ptr(),
                    parameters.len(),
                )
            }
        };
        if raw.is_null() {
            return Err(Database::new("Code: 1001. DB::Exception: the engine gave no result".to_owned()));
        }
        let answer = Answer { raw, library: self.library.clone() };
        // SAFETY: a live result; the text is NUL-terminated and lives as long as the result.
        let error = unsafe {
            let text = (f.error)(raw);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        match error.filter(|text| !text.is_empty()) {
            Some(text) => Err(Database::new(text)),
            None => Ok(answer),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: open until now, and never used again.
        unsafe { (self.library.functions.close)(self.raw) }
    }
}

/// A result's bytes, in the library's own memory.
pub(super) struct Answer {
    raw: RawResult,
    library: Arc<Library>,
}

// SAFETY: a finished result is plain memory of its own, tied neither to a thread nor to its connection.
unsafe impl Send for Answer {}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: a live result; the buffer holds `length` bytes and lives as long as the result.
        unsafe {
            let (buffer, length) =
                ((self.library.functions.buffer)(self.raw), (self.library.functions.length)(self.raw));
            match buffer.is_null() || length == 0 {
                true => &[],
                false => std::slice::from_raw_parts(buffer.cast(), length),
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: live until now, and never used again.
        unsafe { (self.library.functions.destroy)(self.raw) }
    }
}

/// Ends the process without running exit handlers, which hang or crash while the library's threads live.
pub(super) fn exit_now(code: i32) -> ! {
    unsafe extern "C" {
        fn _exit(code: c_int) -> !;
    }
    // SAFETY: POSIX; flushes and frees nothing, which is what is wanted.
    unsafe { _exit(code) }
}

/// Lets the child that `command` will start keep the descriptor `fd` open.
pub(super) fn inherit(command: &mut tokio::process::Command, fd: std::os::fd::RawFd) {
    use std::os::fd::BorrowedFd;
    // SAFETY: runs between fork and exec and makes one system call on a descriptor that the caller holds open.
    unsafe {
        command.pre_exec(move || {
            rustix::io::fcntl_setfd(BorrowedFd::borrow_raw(fd), rustix::io::FdFlags::empty())?;
            Ok(())
        });
    }
}

/// Takes over a listening socket that this process was started with.
pub(super) fn inherited_listener(fd: std::os::fd::RawFd) -> std::io::Result<std::net::TcpListener> {
    use std::os::fd::FromRawFd;
    // SAFETY: the parent gave the number of a descriptor that it opened for this process alone; nobody else here knows it.
    let listener = unsafe { std::net::TcpListener::from_raw_fd(fd) };
    listener.local_addr()?; // not a socket: an error here, not later
    Ok(listener)
}
