# Completion of gitrelease for bash 4.4 or newer: eval "$(gitrelease completion bash)"
# Offers come as whole lines, quoted already; nothing of them is split, expanded or executed here.
_gitrelease_completion() {
    mapfile -t COMPREPLY < <(
        @PYTHON@ -I -m gitrelease _complete line "${COMP_LINE:0:COMP_POINT}" "${2-}" 2>/dev/null </dev/null
    )
    compopt -o nosort 2>/dev/null || :
    if [[ ${COMPREPLY[0]-} == :folders ]]; then
        COMPREPLY=()
        compopt -o dirnames 2>/dev/null || :
    fi
}
complete -F _gitrelease_completion gitrelease
