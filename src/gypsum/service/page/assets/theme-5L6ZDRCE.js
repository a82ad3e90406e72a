var e=localStorage.getItem("gypsum.theme");document.documentElement.dataset.theme=e==="light"||e==="dark"?e:"auto";
